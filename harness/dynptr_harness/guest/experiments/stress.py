"""A flood: producers on every CPU write to one small ring while a consumer in a process of its own reads it.

On each CPU two programs are at it: one of the type in the request, fired by a producer process, and one on
the overflows of a perf event, which is an interrupt. The consumer can be made to stall until reservations
fail for lack of room, or to be killed between saving records and writing its position; then another one
goes on in its place.
"""

from __future__ import annotations

import ctypes as ct
import mmap
import os
import signal
import time
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from dynptr_harness.guest.bpf import libbpf
from dynptr_harness.guest.experiments.stress_check import FOOTPRINT, RecordChecker
from dynptr_harness.guest.experiments.stress_consumer import FloodConsumer, die, saved
from dynptr_harness.guest.prog_types import TYPES
from dynptr_harness.guest.prog_types.tracing import CPU_CLOCK, SOFTWARE_EVENT
from dynptr_harness.guest.ringbuf.raw_reader import RawReader
from dynptr_harness.guest.system import cpus
from dynptr_harness.guest.system.processes import Child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bcc import BPF

CONTEXTS = ("outer", "nested")  # enum context of bpf_src/elf/flood.bpf.c
CPUS = 128
SAMPLE_PERIOD_NS = 500_000
LOOK_S = 0.002  # between two looks at how far the flood has come
DEADLINE_S = 40.0

# A producer lets the consumer catch up while the ring is more than half full, but not for ever: ROOM_LOOKS
# looks, ROOM_LOOK_S apart. The kernel has no event for room in a ring that it writes itself.
ROOM_LOOKS, ROOM_LOOK_S = 20, 0.0002

PATIENCE = 4  # times the reservations asked for, until a CPU or context that submitted none is given up

STALL_UNTIL_FULL = 5000  # reservations that find no room, in each stall

Reply = dict[str, Any]


COUNTS = ["attempts", "submitted", "discarded", "refused", "full", "wrong", "fingerprint", "amid", "holds"]


class _Stream(ct.Structure):
    """struct stream."""

    _fields_ = [(name, ct.c_uint64) for name in COUNTS]


class _Page(ct.Structure):
    """struct flood."""

    _fields_ = (("seed", ct.c_uint64), ("streams", (_Stream * len(CONTEXTS)) * CPUS))


class FloodPage:
    """The map `flood` of the programs, and this side of it; shared with child processes."""

    def __init__(self) -> None:
        self.map_fd = libbpf.mapped_array(ct.sizeof(_Page))
        self._page = libbpf.in_memory(self.map_fd, _Page)

    def begin(self, seed: int) -> None:
        """Nothing has been counted yet."""
        ct.memset(ct.addressof(self._page), 0, ct.sizeof(_Page))
        self._page.seed = seed

    def streams(self) -> Iterator[tuple[int, int, _Stream]]:
        """What is counted, for each context and each CPU: (number of the context, CPU, counts)."""
        for context in range(len(CONTEXTS)):
            for cpu in range(os.cpu_count() or 1):
                yield context, cpu, self._page.streams[cpu][context]

    def counted(self, what: str) -> int:
        """A number of the programs, over all CPUs and contexts."""
        return sum(getattr(stream, what) for *_, stream in self.streams())


class _Shared(ct.Structure):
    """What the processes of a flood tell each other."""

    _fields_ = (("producing", ct.c_bool), ("consuming", ct.c_bool), ("interruptions", ct.c_uint32))


class Stress:
    """One flood as the request wants it.

    Args:
        module: for what BCC attaches.
        objects: the folder of the ELF objects.
        maps: what takes the place of their own, by name.
    """

    def __init__(
        self, module: BPF, objects: Path, maps: dict[str, int], page: FloodPage, request: Reply
    ) -> None:
        self._module = module
        self._object = objects / f"{request['object']}.bpf.o"
        self._maps = maps
        self._page = page
        self._request = request
        self._functions: list[str] = request["functions"]  # for CONTEXTS
        self._guest_type = TYPES[request["prog_type"]](module)
        self._shared = _Shared.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
        self._deadline = time.monotonic() + DEADLINE_S

    def run(self) -> Reply:
        """Flood a new ring and read it empty; the accounts of both sides.

        Raises:
            LoadRefused: the kernel did not take a program.
            AttachFailed: it did not attach one.
            TimeoutError: something did not happen in time.
        """
        with ExitStack() as stack:
            self._ring = stack.enter_context(libbpf.ring(self._request["ring_size"]))
            self._reader = stack.enter_context(closing(RawReader(self._ring, self._request["ring_size"])))
            self._folder = Path(stack.enter_context(TemporaryDirectory()))
            libbpf.map_write_fd(self._maps["rings"], 0, self._ring)
            self._page.begin(self._request["seed"])
            consumers = self._direct()
            return {
                "positions": {"consumer": self._reader.consumer, "producer": self._reader.producer},
                "interruptions": self._shared.interruptions,
                **self._accounts([self._path(number) for number in range(consumers)]),
            }

    @contextmanager
    def _programs(self) -> Iterator[None]:
        with ExitStack() as stack:
            perf_event = TYPES["PERF_EVENT"](self._module)
            outer, nested = (
                stack.enter_context(closing(kind.load_ours(self._object, function, self._maps)))
                for kind, function in zip((self._guest_type, perf_event), self._functions, strict=True)
            )
            stack.enter_context(self._guest_type.attached(outer))
            self._module.funcs[nested.name.encode()] = nested.function
            self._module.attach_perf_event(
                ev_type=SOFTWARE_EVENT,
                ev_config=CPU_CLOCK,
                fn_name=nested.name,
                sample_period=SAMPLE_PERIOD_NS,
            )
            stack.callback(self._module.funcs.pop, nested.name.encode())
            stack.callback(self._module.detach_perf_event, SOFTWARE_EVENT, CPU_CLOCK)
            yield

    def _direct(self) -> int:
        """Start all, put a new consumer where one was killed, and end all; the number of consumers.

        The programs are detached before the consumer is told that nothing more comes: then none is at work.
        """
        with ExitStack() as stack:

            def start(function: Callable[[int], None], argument: int) -> Child:
                return stack.enter_context(closing(Child(lambda: function(argument))))

            def consumer_ended() -> bool:
                if consumers[-1].exit_code() == -signal.SIGKILL:
                    consumers.append(start(self._consume, len(consumers)))
                return consumers[-1].exit_code() == 0

            self._shared.producing = self._shared.consuming = True
            consumers = [start(self._consume, 0)]
            with self._programs():
                producers = [start(self._produce, cpu) for cpu in sorted(cpus.ALL)]
                while not all(producer.exit_code() == 0 for producer in producers):
                    consumer_ended()
                    self._shared.producing = not self._enough()
                    self._look_again("the end of the producers")
            self._shared.consuming = False
            while not consumer_ended():
                self._look_again("the end of the consumer")
        return len(consumers)

    def _look_again(self, wanted: str) -> None:
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"{wanted} did not come within {DEADLINE_S:g} s")
        time.sleep(LOOK_S)

    def _enough(self) -> bool:
        """Whether all was done that was asked for, by every CPU and context, as far as that can be had."""
        if self._shared.interruptions != self._request["interruptions"]:
            return False
        attempts = self._page.counted("attempts")
        wanted: int = self._request["attempts"]
        return attempts >= wanted and (self._all_submitted() or attempts >= PATIENCE * wanted)

    def _all_submitted(self) -> bool:
        return all(stream.submitted for *_, stream in self._page.streams())

    def _produce(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})
        while self._shared.producing:
            for _ in range(ROOM_LOOKS):
                if self._reader.producer - self._reader.consumer <= self._request["ring_size"] // 2:
                    break
                time.sleep(ROOM_LOOK_S)
            self._guest_type.fire()

    def _path(self, number: int) -> Path:
        return self._folder / f"consumer-{number}"

    def _consume(self, number: int) -> None:
        consumer = FloodConsumer(
            self._ring, self._reader, lambda: bool(self._shared.consuming), self._interrupt
        )
        consumer.save_to(self._path(number))

    def _interrupt(self, position: int) -> None:
        """Interrupt the consumer as often as wanted, about evenly over the first half of the flood."""
        wanted, done = self._request["interruptions"], self._shared.interruptions
        if done == wanted or position < (done + 1) * self._request["attempts"] * FOOTPRINT // (2 * wanted):
            return
        if self._request["interruption"] == "stall":
            until = self._page.counted("full") + STALL_UNTIL_FULL
            while self._page.counted("full") < until:
                self._look_again("a ring without room")
        self._shared.interruptions = done + 1
        if self._request["interruption"] == "kill":
            die()

    def _accounts(self, paths: list[Path]) -> Reply:
        """What the programs counted and what arrived."""
        book, read_again = _read(paths, RecordChecker(self._request["seed"]))
        streams = []
        for context, cpu, stream in self._page.streams():
            counted = {count: getattr(stream, count) for count in COUNTS}
            arrived = book.of(cpu * len(CONTEXTS) + context)
            name = CONTEXTS[context]
            streams.append({"cpu": cpu, "context": name, "counted": counted, "arrived": arrived})
        return {"streams": streams, "read_again": read_again, **book.reply()}


def _read(paths: list[Path], book: RecordChecker) -> tuple[RecordChecker, list[Reply]]:
    """Enter all that the consumers saved, each record once, by its position in the ring.

    Returns:
        the ledger, and for each consumer that took over what it read a second time, and whether that had
        not changed meanwhile.
    """
    end, last, again = 0, memoryview(b""), []
    for number, path in enumerate(paths):
        for index, (position, records) in enumerate(saved(path)):
            known = end - position
            if number and not index:
                again.append({"bytes": known, "saved": len(last), "same": records[:known] == last[-known:]})
            book.enter(records[max(known, 0) :], position + max(known, 0))
            end, last = position + len(records), records
    book.close()
    return book, again
