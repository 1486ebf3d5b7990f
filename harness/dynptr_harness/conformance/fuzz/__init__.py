"""Random sequences of acts, checked against the model of `conformance.model`."""
