"""A small agent that replaces dynptr_harness.guest in the payload. It compiles nothing."""
