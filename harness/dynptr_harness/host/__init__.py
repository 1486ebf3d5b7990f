"""The running kernel as the one under test: no machine of its own, and nothing may stay behind."""

HOST = "host"  # as a kernel's selector
