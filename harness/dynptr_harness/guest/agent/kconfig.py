"""Kernel configuration options, from /proc/config.gz."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

from dynptr_harness.guest.system.sysctl import Unavailable
from dynptr_harness.protocol import kconfig

CONFIG = Path("/proc/config.gz")  # needs CONFIG_IKCONFIG_PROC
LSMS = Path("/sys/kernel/security/lsm")


@cache
def _config() -> dict[str, str]:
    """Return the options that are set, empty if the configuration is unknown."""
    if not CONFIG.exists():
        return {}
    with gzip.open(CONFIG, "rt") as config:
        return kconfig.parse(config.read())


def options_set() -> list[str]:
    """Return the options of types that are often left out, if they are known to be set."""
    return sorted(name for name in kconfig.OFTEN_LEFT_OUT.values() if _config().get(name) in ("y", "m"))


def options_unset() -> list[str]:
    """Return the options of all types that are known not to be set."""
    needed = {name for options in kconfig.TYPES.values() for name in (*options.exist, *options.attach)}
    return sorted(name for name in needed if _config() and name not in _config())


def require(prog_type: str) -> None:
    """Check that programs of this type can be attached and fired.

    Args:
        prog_type: name of the type, or of a way to attach it, such as 'LSM/cgroup'.

    Raises:
        Unavailable: the kernel lacks an option or a security module.
    """
    for option in kconfig.options_of(prog_type).attach:
        if option in options_unset():
            raise Unavailable(f"{option} is not set")
    is_lsm = kconfig.base_type(prog_type) == "LSM"
    if is_lsm and LSMS.exists() and "bpf" not in LSMS.read_text().strip().split(","):
        raise Unavailable(f"bpf is not among the security modules {LSMS.read_text().strip()}")
