"""The KVM device of the host."""

from __future__ import annotations

import os
from pathlib import Path

DEVICE = Path("/dev/kvm")


def unusable() -> str | None:
    """Return why KVM cannot be used, or None if the device can be opened."""
    try:
        os.close(os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return f"{DEVICE} does not exist"
    except PermissionError:
        return f"no permission to open {DEVICE}: add the user to the group kvm"
    except OSError as error:
        return f"{DEVICE} cannot be opened: {error.strerror}"
    return None
