"""How QEMU is called: one list of arguments, made of features that know their kernel arguments too."""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dynptr_harness.guest_image.model import BootFiles
    from dynptr_harness.vm.accelerator import Accelerator

PROGRAM = "qemu-system-x86_64"
# QEMU 7.2 under TCG crashed one 6.12 guest in eight (a double fault after cmpxchg16b).
OLDEST = (10, 0)


# What a processor that is emulated had better lack. Fast strings (erms and the rest): with them the kernel
# clears and copies memory byte by byte, each of which is emulated, without them by eight. A fifth level of
# page tables (la57) makes each walk longer, and smap gives each copy to and from user space two more ends of
# a translated block.
SLOW_IF_EMULATED = ("erms", "fsrm", "fsrs", "fzrm", "la57", "smap")


class Feature:
    """One ability of the machine, with what it takes on both sides."""

    @property
    def qemu(self) -> list[str]:
        """QEMU's arguments."""
        return []

    @property
    def kernel(self) -> list[str]:
        """The kernel's arguments."""
        return []


@dataclass(frozen=True)
class Processor(Feature):
    """The processor as the accelerator can offer it.

    Emulated ones take turns in one thread of QEMU where they are `round_robin`, else each has a thread.
    """

    accelerator: Accelerator
    cpus: int
    round_robin: bool = False

    @property
    def qemu(self) -> list[str]:
        if self.accelerator.name == "kvm":
            return ["-accel", "kvm", "-cpu", "host", "-smp", str(self.cpus)]
        model = ",".join(["max", *(f"{feature}=off" for feature in SLOW_IF_EMULATED)])
        thread = "single" if self.round_robin else "multi"
        return ["-accel", f"tcg,thread={thread}", "-cpu", model, "-smp", str(self.cpus)]

    @property
    def kernel(self) -> list[str]:
        # Less work, most of all where it is emulated: no check of the timer's wiring, no tests of ciphers (a
        # tenth of an emulated boot), no guards against speculation (the verifier adds its own for
        # unprivileged users only, and the agent is root).
        # No watchdog over the TSC: since commit 763aacf86f1b ("clocksource: Rewrite watchdog code
        # completely", 7.1) it waits for the other processor with interrupts off, by a clock that stands
        # still while the jiffies are it; a boot of 7.3 on a busy host hung so, the other processor being
        # in stop_machine.
        return ["no_timer_check", "cryptomgr.notests", "mitigations=off", "tsc=reliable"]


@dataclass(frozen=True)
class SerialConsole(Feature):
    """The first serial port on QEMU's standard output, from the first line of the kernel on."""

    @property
    def qemu(self) -> list[str]:
        return ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]

    @property
    def kernel(self) -> list[str]:
        # Level 5 shows warnings and worse: WARN_ON speaks at level 4, which "quiet" alone would hide.
        # The early console shows what happens before the serial driver is up, decompression included.
        return ["quiet", "loglevel=5", "earlyprintk=ttyS0", "console=ttyS0"]


@dataclass(frozen=True)
class EndOnPanic(Feature):
    """A kernel that panics, or oopses, resets at once, and a reset ends QEMU."""

    @property
    def qemu(self) -> list[str]:
        return ["-no-reboot"]

    @property
    def kernel(self) -> list[str]:
        return ["oops=panic", "panic=-1"]


# Interrupts by wire, not by MSI-X: QEMU 10.0.2 aborted in a few of several hundred boots, by an assertion in
# hw/pci/msix.c, which no device without vectors gets to.
BY_WIRE = "vectors=0"


@dataclass(frozen=True)
class Disks(Feature):
    """Read-only virtio disks: vda, vdb and so on, in this order."""

    images: tuple[Path, ...]

    @property
    def qemu(self) -> list[str]:
        drives = []
        for number, image in enumerate(self.images):
            name = str(image).replace(",", ",,")  # a comma would end the option
            drives += ["-drive", f"file={name},if=none,id=disk{number},format=raw,readonly=on"]
            drives += ["-device", f"virtio-blk-pci,drive=disk{number},{BY_WIRE}"]
        return drives


@dataclass(frozen=True)
class Ports(Feature):
    """Named virtio-serial ports, each an end of a socket pair that QEMU inherits."""

    sockets: Mapping[str, int]

    @property
    def qemu(self) -> list[str]:
        ports = ["-device", f"virtio-serial-pci,{BY_WIRE}"]
        for name, number in self.sockets.items():
            ports += ["-chardev", f"socket,id={name},fd={number}"]
            ports += ["-device", f"virtserialport,chardev={name},name={name}"]
        return ports


@dataclass(frozen=True)
class Monitor(Feature):
    """QMP on an end of a socket pair that QEMU inherits."""

    socket: int

    @property
    def qemu(self) -> list[str]:
        return ["-chardev", f"socket,id=monitor,fd={self.socket}", "-mon", "chardev=monitor,mode=control"]


@dataclass(frozen=True)
class Entropy(Feature):
    """Randomness from the host, so that nothing in the guest waits for it."""

    @property
    def qemu(self) -> list[str]:
        return ["-device", f"virtio-rng-pci,{BY_WIRE}"]


@dataclass(frozen=True)
class SecurityModules(Feature):
    """The order of Debian's own list, with bpf in it: without, LSM programs attach and never fire."""

    @property
    def kernel(self) -> list[str]:
        return ["lsm=landlock,lockdown,yama,integrity,apparmor,bpf"]


@dataclass(frozen=True)
class Generation(Feature):
    """A number that tells a guest that it goes on from a snapshot: Linux then seeds its randomness anew."""

    @property
    def qemu(self) -> list[str]:
        return ["-device", "vmgenid,guid=auto"]


@dataclass(frozen=True)
class FastGracePeriods(Feature):
    """RCU hurries the other processors, and does not wait until they pass a quiescent state by themselves.

    Each update of a map of maps and each detaching waits for a grace period: 20 to 40 ms, and so below one.
    Nothing that is tested depends on how long that takes.
    """

    @property
    def kernel(self) -> list[str]:
        return ["rcupdate.rcu_expedited=1"]


def guest(
    files: BootFiles,
    accelerator: Accelerator,
    sockets: Mapping[str, int],
    *,
    cpus: int,
    round_robin: bool = False,
) -> tuple[Feature, ...]:
    """What a guest with an agent has; the order decides the addresses of its devices.

    Args:
        files: its disks.
        accelerator: how its processors run.
        sockets: inherited file descriptors of 'commands', 'events' and 'monitor'.
        cpus: number of its processors.
        round_robin: whether they take turns, where they are emulated.
    """
    return (
        Processor(accelerator, cpus, round_robin),
        SerialConsole(),
        EndOnPanic(),
        SecurityModules(),
        FastGracePeriods(),
        Disks(files.disks),
        Ports({name: sockets[name] for name in ("commands", "events")}),
        Entropy(),
        Generation(),
        Monitor(sockets["monitor"]),
    )


def probe(accelerator: Accelerator) -> tuple[Feature, ...]:
    """What it takes to see a kernel reach user space."""
    return (Processor(accelerator, cpus=1), SerialConsole(), EndOnPanic())


def command(
    files: BootFiles, features: tuple[Feature, ...], *, memory_mib: int, cmdline: tuple[str, ...]
) -> list[str]:
    """The command that runs QEMU.

    Args:
        files: kernel and initramfs.
        features: abilities of the machine.
        memory_mib: the guest's memory in MiB.
        cmdline: further kernel arguments.
    """
    return [
        # QEMU ends with us, whatever ends us.
        *("setpriv", "--pdeathsig", "KILL", "--"),
        PROGRAM,

        # Only what is named here: no network, no display, no default devices, no user's configuration.
        *("-nodefaults", "-no-user-config"),
        *("-display", "none"),
        *("-machine", "q35"),
        *("-m", f"{memory_mib}M"),

        *("-kernel", str(files.kernel)),
        *("-initrd", str(files.initramfs)),
        *("-append", " ".join([*(word for feature in features for word in feature.kernel), *cmdline])),

        *(word for feature in features for word in feature.qemu),
    ]  # fmt: skip


@dataclass(frozen=True)
class Spec:
    """What a machine is made of.

    Attributes:
        files: what it boots.
        accelerator: how its processors run.
        memory_mib: its memory in MiB.
        cpus: number of its processors.
        cmdline: further kernel arguments.
        round_robin: whether its processors take turns, where they are emulated.
    """

    files: BootFiles
    accelerator: Accelerator
    memory_mib: int = 1024
    cpus: int = 2
    cmdline: tuple[str, ...] = ()
    round_robin: bool = False

    def command(self, sockets: Mapping[str, int]) -> list[str]:
        """The command that runs it; `sockets` as in `guest`."""
        features = guest(self.files, self.accelerator, sockets, cpus=self.cpus, round_robin=self.round_robin)
        return command(self.files, features, memory_mib=self.memory_mib, cmdline=self.cmdline)


@functools.cache
def version() -> str:
    """The version of the QEMU on PATH, e.g. '10.0.2'.

    Raises:
        EnvironmentFailed: there is none, it does not run, or it is older than `OLDEST`.
    """
    hint = "install qemu-system-x86 10 or newer (on Debian 12 from bookworm-backports)"
    try:
        said = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except FileNotFoundError:
        raise EnvironmentFailed(f"{PROGRAM} is not installed", hint) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentFailed(f"{PROGRAM} --version failed: {error}", hint) from error
    found = re.search(r"version (\d+)\.(\d+)(\.\d+)*", said.stdout)
    if not found:
        raise EnvironmentFailed(f"{PROGRAM} --version names no version: {said.stdout[:200]!r}", hint)
    number = found.group(0).removeprefix("version ")
    if (int(found.group(1)), int(found.group(2))) < OLDEST:
        raise EnvironmentFailed(f"QEMU {number} is too old for a guest that can be relied upon", hint)
    return number
