"""The agent that runs inside the guest. It observes and never judges.

It imports the standard library, BCC, pyroute2 and `dynptr_harness.protocol` only.
"""
