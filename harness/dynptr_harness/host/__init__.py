"""Tests of the running kernel, without a VM. Nothing may be left behind."""

HOST = "host"  # kernel selector
