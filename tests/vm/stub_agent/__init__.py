"""An agent that compiles nothing: takes the place of harness.guest in the payload of a test."""
