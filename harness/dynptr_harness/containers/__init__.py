"""The container engine of this machine: the harness in an image of its own, and kernels out of images."""
