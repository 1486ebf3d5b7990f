"""The container engine: the harness in a container, and images with kernels."""
