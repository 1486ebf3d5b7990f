"""Numbers of system calls without a function in the C library."""

from __future__ import annotations

import os

# With -1 the kernel returns ENOSYS.
SYS_BPF = {"x86_64": 321, "aarch64": 280, "s390x": 351}.get(os.uname().machine, -1)
