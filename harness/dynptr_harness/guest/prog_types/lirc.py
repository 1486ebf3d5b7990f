"""LIRC_MODE2: decoders of infrared signals. The guest has no infrared receiver."""

from __future__ import annotations

from errno import ENODEV
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.prog_types.base import AttachFailed, GuestType
from dynptr_harness.protocol.uapi import AttachType

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from dynptr_harness.guest.bpf.libbpf import LoadedProgram


class LircMode2(GuestType):
    name = "LIRC_MODE2"
    attach_type = AttachType.LIRC_MODE2

    def attached(self, program: LoadedProgram) -> AbstractContextManager[None]:  # noqa: ARG002
        raise AttachFailed(ENODEV, "attach to an infrared receiver: there is none")

    def fire(self) -> Any:
        """Do nothing, because there is no receiver."""


TYPES = (LircMode2,)
