"""The command line of QEMU and of the kernel in it."""

from __future__ import annotations

import functools
import re
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dynptr_harness.core.errors import EnvironmentFailed
from dynptr_harness.guest_image import share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from dynptr_harness.guest_image.model import BootFiles
    from dynptr_harness.vm.accelerator import Accelerator

PROGRAM = "qemu-system-x86_64"
# QEMU 7.2 under TCG crashed one 6.12 guest in eight (a double fault after cmpxchg16b).
OLDEST = (10, 0)

# CPU features that slow emulation down. With fast strings (erms and the next 3) the kernel clears and
# copies memory byte by byte, and each byte is emulated; without them it uses 8 bytes at a time. With a fifth
# level of page tables (la57) each walk is longer. With smap each copy to or from user space ends two more
# translated blocks.
SLOW_UNDER_TCG = ("erms", "fsrm", "fsrs", "fzrm", "la57", "smap")

FAST_BOOT = (
    # No check of the timer's wiring, no tests of ciphers (a tenth of an emulated boot), no mitigations of
    # speculation (the verifier adds its own for unprivileged users only, and the agent is root).
    *("no_timer_check", "cryptomgr.notests", "mitigations=off"),
    # No watchdog for the TSC. Since commit 763aacf86f1b ("clocksource: Rewrite watchdog code completely",
    # 7.1) it waits for the other CPU with interrupts off, with a clock that stands still if it is jiffies.
    # A boot of 7.3 on a busy host hung in this loop, with the other CPU in stop_machine.
    "tsc=reliable",
)
# Log level 5 shows warnings and worse: WARN_ON logs at level 4, which "quiet" alone would hide. The early
# console shows what happens before the serial driver is up, decompression included.
CONSOLE = ("quiet", "loglevel=5", "earlyprintk=ttyS0", "console=ttyS0")
RESET_ON_PANIC = ("oops=panic", "panic=-1")  # a reset ends QEMU, see -no-reboot
FOR_PROGRAMS = (
    # Debian's order, and bpf: without it LSM programs attach and never run.
    "lsm=landlock,lockdown,yama,integrity,apparmor,bpf",
    # Each update of a map-in-map and each detach waits for an RCU grace period: 20 to 40 ms, and less than 1
    # if expedited. No test depends on the duration.
    "rcupdate.rcu_expedited=1",
)

# Known to the agent: guest/agent/bare.py and guest/system/share.py.
BARE, SHARE_SERIAL = "dynptr_harness.bare", "share"

# Wired interrupts, not MSI-X: QEMU 10.0.2 aborted in a few of several hundred boots, by an assertion in
# hw/pci/msix.c that a device without vectors cannot reach.
BY_WIRE = "vectors=0"


def boot_command(
    files: BootFiles,
    accelerator: Accelerator,
    *,
    memory_mib: int,
    cpus: int,
    cmdline: Sequence[str] = (),
    round_robin: bool = False,
) -> list[str]:
    """Return the command that boots a kernel to its first process, with the console on standard output.

    Args:
        files: kernel and initramfs.
        accelerator: the accelerator.
        memory_mib: memory in MiB.
        cpus: number of vCPUs.
        cmdline: further kernel arguments.
        round_robin: emulated vCPUs take turns on one thread of QEMU. Otherwise each has its own.
    """
    return [
        # QEMU is killed when this process ends for any reason.
        *("setpriv", "--pdeathsig", "KILL", "--"),
        PROGRAM,

        # Only what is named here: no network, no display, no default devices, no configuration of the user.
        *("-nodefaults", "-no-user-config"),
        *("-display", "none"),
        *("-machine", "q35"),
        *("-m", f"{memory_mib}M"),

        *("-kernel", str(files.kernel)),
        *("-initrd", str(files.initramfs)),
        *("-append", " ".join([*FAST_BOOT, *CONSOLE, *RESET_ON_PANIC, *cmdline])),

        *_vcpus(accelerator, cpus, round_robin=round_robin),
        *("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"),
        "-no-reboot",
    ]  # fmt: skip


def firmware_command(accelerator: Accelerator) -> list[str]:
    """Return the command that runs only the firmware, with its messages on standard output."""
    return [
        *("setpriv", "--pdeathsig", "KILL", "--"),
        PROGRAM,
        *("-nodefaults", "-no-user-config"),
        *("-display", "none"),
        *("-machine", "q35"),
        *("-m", "64M"),
        *_vcpus(accelerator, 1, round_robin=False),
        # SeaBIOS writes its messages to this I/O port.
        *("-chardev", "stdio,id=console,signal=off", "-device", "isa-debugcon,iobase=0x402,chardev=console"),
        "-no-reboot",
    ]


def _vcpus(accelerator: Accelerator, cpus: int, *, round_robin: bool) -> list[str]:
    if accelerator.name == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(cpus)]
    model = ",".join(["max", *(f"{feature}=off" for feature in SLOW_UNDER_TCG)])
    thread = "single" if round_robin else "multi"
    return ["-accel", f"tcg,thread={thread}", "-cpu", model, "-smp", str(cpus)]


@dataclass(frozen=True)
class Spec:
    """The properties of a machine.

    Attributes:
        files: files to boot.
        accelerator: the accelerator.
        memory_mib: memory in MiB.
        cpus: number of vCPUs.
        cmdline: further kernel arguments.
        round_robin: emulated vCPUs take turns on one thread.
        bare: the agent loads no programs and creates no maps. Only a bare guest has the disk for `share`.
        share: image for that disk. None for an empty disk.
        boot_deadline: seconds from the start of QEMU to the agent's ready message.
        on_console: called with each line of the console, or None.
    """

    files: BootFiles
    accelerator: Accelerator
    memory_mib: int = 1024
    cpus: int = 2
    cmdline: tuple[str, ...] = ()
    round_robin: bool = False
    bare: bool = False
    share: Path | None = None
    boot_deadline: float = 120
    on_console: Callable[[str], None] | None = field(default=None, compare=False)

    def command(self, sockets: Mapping[str, int]) -> list[str]:
        """Return the command that runs the machine with an agent.

        Args:
            sockets: inherited file descriptors of 'commands', 'events' and 'monitor'.
        """
        boot = boot_command(
            self.files,
            self.accelerator,
            memory_mib=self.memory_mib,
            cpus=self.cpus,
            cmdline=(*FOR_PROGRAMS, *([BARE] if self.bare else ()), *self.cmdline),
            round_robin=self.round_robin,
        )
        return [
            *boot,
            # The order of the devices decides their addresses.
            *_disks(self.files.disks),
            *(_share_disk(self.share) if self.bare else ()),
            *_ports({name: sockets[name] for name in ("commands", "events")}),
            # Randomness from the host, so that the guest does not wait for it.
            *("-device", f"virtio-rng-pci,{BY_WIRE}"),
            # Tells a restored guest to reseed its randomness.
            *("-device", "vmgenid,guid=auto"),
            *("-chardev", f"socket,id=monitor,fd={sockets['monitor']}"),
            *("-mon", "chardev=monitor,mode=control"),
        ]


def _disks(images: Sequence[Path]) -> list[str]:
    """Return read-only virtio disks: vda, vdb and so on."""
    drives = []
    for number, image in enumerate(images):
        drives += ["-drive", f"file={_escaped(image)},if=none,id=disk{number},format=raw,readonly=on"]
        drives += ["-device", f"virtio-blk-pci,drive=disk{number},{BY_WIRE}"]
    return drives


def _share_disk(image: Path | None) -> list[str]:
    """Return the disk of a shared directory.

    A guest that is restored can have another image than at its boot, because it has not read the disk yet.
    """
    empty = f"driver=null-co,size={share.SIZE_GIB}G,read-zeroes=on"
    content = f"file={_escaped(image)},format=raw" if image else empty
    return [
        *("-drive", f"{content},if=none,id=share,readonly=on"),
        *("-device", f"virtio-blk-pci,drive=share,serial={SHARE_SERIAL},{BY_WIRE}"),
    ]


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # a comma would end the option


def _ports(sockets: Mapping[str, int]) -> list[str]:
    """Return virtio-serial ports by name, each on an inherited socket."""
    ports = ["-device", f"virtio-serial-pci,{BY_WIRE}"]
    for name, number in sockets.items():
        ports += ["-chardev", f"socket,id={name},fd={number}"]
        ports += ["-device", f"virtserialport,chardev={name},name={name}"]
    return ports


@functools.cache
def version() -> str:
    """Return the version of the QEMU on PATH, such as '10.0.2'.

    Raises:
        EnvironmentFailed: QEMU is not installed, does not run, or is older than `OLDEST`.
    """
    hint = "install qemu-system-x86 10 or newer (on Debian 12 from bookworm-backports)"
    try:
        output = subprocess.run(
            [PROGRAM, "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except FileNotFoundError:
        raise EnvironmentFailed(f"{PROGRAM} is not installed", hint) from None
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentFailed(f"{PROGRAM} --version failed: {error}", hint) from error
    found = re.search(r"version (\d+)\.(\d+)(\.\d+)*", output.stdout)
    if not found:
        raise EnvironmentFailed(f"{PROGRAM} --version names no version: {output.stdout[:200]!r}", hint)
    number = found.group(0).removeprefix("version ")
    if (int(found.group(1)), int(found.group(2))) < OLDEST:
        raise EnvironmentFailed(f"QEMU {number} is too old to run guests reliably", hint)
    return number
