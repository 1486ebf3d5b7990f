"""An agent that compiles nothing: takes the place of dynptr_harness.guest in the payload of a test."""
