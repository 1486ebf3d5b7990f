"""Conformance harness for the eBPF helper bpf_ringbuf_reserve_dynptr."""

__version__ = "0.1.0"
