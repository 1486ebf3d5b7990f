"""Random sequences of actions, checked against the model of `conformance.model`."""
