"""The rows of the catalogue, one module for each group.

The catalogue adds the loader 'libbpf' to rows that are scripts; see `dynptr_harness.conformance.catalogue`.
"""
