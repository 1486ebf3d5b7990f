"""Executable specification of ring buffers, dynptrs and the helpers that use them.

`ScriptModel` predicts the reply of the agent to a script. Nothing here runs on a kernel.
"""
