"""What runs inside the guest: compile, load, attach, fire, consume, and say what was seen.

Standard library, BCC and pyroute2 only. It observes and never judges.
"""
