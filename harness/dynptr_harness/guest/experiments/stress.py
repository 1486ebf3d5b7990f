"""A stress test: producers on all CPUs write to one small ring while a consumer process reads it.

On each CPU two programs write: one of the type in the request, fired by a producer process, and one that a
perf event runs in interrupt context. The request can interrupt the consumer. It then either stalls until
reservations fail for lack of space, or is killed after it saved records and before it wrote the consumer
position. A new consumer then takes over.
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
from dynptr_harness.guest.experiments.stress_consumer import StressConsumer, kill_self, read_saved
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
POLL_S = 0.002
DEADLINE_S = 40.0

# A producer waits while the ring is more than half full, at most SPACE_POLLS times SPACE_POLL_S. The kernel
# has no event for free space in a BPF ring buffer.
SPACE_POLLS, SPACE_POLL_S = 20, 0.0002

# The test ends after this multiple of the requested attempts, even if a CPU or context submitted nothing.
GIVE_UP_AFTER = 4

STALL_UNTIL_FULL = 5000  # number of reservations that fail for lack of space, in each stall

Reply = dict[str, Any]

COUNTS = ["attempts", "submitted", "discarded", "refused", "full", "wrong", "fingerprint", "amid", "holds"]


class _Counters(ct.Structure):
    """struct stream: the counters of one context on one CPU."""

    _fields_ = [(name, ct.c_uint64) for name in COUNTS]


class _PageLayout(ct.Structure):
    """struct flood."""

    _fields_ = (("seed", ct.c_uint64), ("streams", (_Counters * len(CONTEXTS)) * CPUS))


class StressPage:
    """The memory of the programs' map `flood`. Child processes share it."""

    def __init__(self) -> None:
        self.map_fd = libbpf.mapped_array(ct.sizeof(_PageLayout))
        self._page = libbpf.in_memory(self.map_fd, _PageLayout)

    def reset(self, seed: int) -> None:
        """Set all counters to zero."""
        ct.memset(ct.addressof(self._page), 0, ct.sizeof(_PageLayout))
        self._page.seed = seed

    def streams(self) -> Iterator[tuple[int, int, _Counters]]:
        """Yield (index of the context, CPU, counters) for each context and CPU."""
        for context in range(len(CONTEXTS)):
            for cpu in range(os.cpu_count() or 1):
                yield context, cpu, self._page.streams[cpu][context]

    def total(self, count: str) -> int:
        """Return the sum of one counter over all CPUs and contexts."""
        return sum(getattr(stream, count) for *_, stream in self.streams())


class _Shared(ct.Structure):
    """Memory that the agent, the producers and the consumer share."""

    _fields_ = (("producing", ct.c_bool), ("consuming", ct.c_bool), ("interruptions", ct.c_uint32))


class StressTest:
    """One stress test.

    Args:
        module: the compiled module of the program types.
        objects: directory of the ELF objects.
        maps: maps that replace those of the object, by name.
    """

    def __init__(
        self, module: BPF, objects: Path, maps: dict[str, int], page: StressPage, request: Reply
    ) -> None:
        self._module = module
        self._object = objects / f"{request['object']}.bpf.o"
        self._maps = maps
        self._page = page
        self._request = request
        self._functions: list[str] = request["functions"]  # in the order of CONTEXTS
        self._guest_type = TYPES[request["prog_type"]](module)
        self._shared = _Shared.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))
        self._deadline = time.monotonic() + DEADLINE_S

    def run(self) -> Reply:
        """Run the test on a new ring. Return what the programs counted and what the consumers received.

        Raises:
            LoadRefused: the kernel rejected a program.
            AttachFailed: the kernel did not attach a program.
            TimeoutError: the test took more than DEADLINE_S.
        """
        with ExitStack() as stack:
            self._ring = stack.enter_context(libbpf.ring(self._request["ring_size"]))
            self._reader = stack.enter_context(closing(RawReader(self._ring, self._request["ring_size"])))
            self._directory = Path(stack.enter_context(TemporaryDirectory()))
            libbpf.map_write_fd(self._maps["rings"], 0, self._ring)
            self._page.reset(self._request["seed"])
            consumers = self._run_processes()
            return {
                "positions": {"consumer": self._reader.consumer, "producer": self._reader.producer},
                "interruptions": self._shared.interruptions,
                **self._results([self._path(number) for number in range(consumers)]),
            }

    @contextmanager
    def _programs(self) -> Iterator[None]:
        with ExitStack() as stack:
            perf_event = TYPES["PERF_EVENT"](self._module)
            outer, nested = (
                stack.enter_context(closing(kind.load_harness_object(self._object, function, self._maps)))
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

    def _run_processes(self) -> int:
        """Run producers and consumers to their end. Return the number of consumers.

        The programs are detached before the consumer may end, so that no record comes after it.
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
                producers = [start(self._produce, cpu) for cpu in sorted(cpus.ALL_CPUS)]
                while not all(producer.exit_code() == 0 for producer in producers):
                    consumer_ended()
                    self._shared.producing = not self._enough()
                    self._sleep("the producers to end")
            self._shared.consuming = False
            while not consumer_ended():
                self._sleep("the consumer to end")
        return len(consumers)

    def _sleep(self, wanted: str) -> None:
        """Sleep before the next check for `wanted`. Raises TimeoutError after the deadline."""
        if time.monotonic() > self._deadline:
            raise TimeoutError(f"still waiting for {wanted} after {DEADLINE_S:g} s")
        time.sleep(POLL_S)

    def _enough(self) -> bool:
        """Return True if the producers may end."""
        if self._shared.interruptions != self._request["interruptions"]:
            return False
        attempts = self._page.total("attempts")
        wanted: int = self._request["attempts"]
        return attempts >= wanted and (self._all_submitted() or attempts >= GIVE_UP_AFTER * wanted)

    def _all_submitted(self) -> bool:
        return all(stream.submitted for *_, stream in self._page.streams())

    def _produce(self, cpu: int) -> None:
        os.sched_setaffinity(0, {cpu})
        while self._shared.producing:
            for _ in range(SPACE_POLLS):
                if self._reader.producer - self._reader.consumer <= self._request["ring_size"] // 2:
                    break
                time.sleep(SPACE_POLL_S)
            self._guest_type.fire()

    def _path(self, number: int) -> Path:
        return self._directory / f"consumer-{number}"

    def _consume(self, number: int) -> None:
        consumer = StressConsumer(
            self._ring, self._reader, lambda: bool(self._shared.consuming), self._interrupt
        )
        consumer.save_to(self._path(number))

    def _interrupt(self, position: int) -> None:
        """Interrupt the consumer if that is due. All interruptions come in the first half of the records."""
        wanted, done = self._request["interruptions"], self._shared.interruptions
        if done == wanted or position < (done + 1) * self._request["attempts"] * FOOTPRINT // (2 * wanted):
            return
        if self._request["interruption"] == "stall":
            until = self._page.total("full") + STALL_UNTIL_FULL
            while self._page.total("full") < until:
                self._sleep("the ring to be full")
        self._shared.interruptions = done + 1
        if self._request["interruption"] == "kill":
            kill_self()

    def _results(self, paths: list[Path]) -> Reply:
        checker, read_again = _check(paths, RecordChecker(self._request["seed"]))
        streams = []
        for context, cpu, stream in self._page.streams():
            counted = {count: getattr(stream, count) for count in COUNTS}
            arrived = checker.of(cpu * len(CONTEXTS) + context)
            name = CONTEXTS[context]
            streams.append({"cpu": cpu, "context": name, "counted": counted, "arrived": arrived})
        return {"streams": streams, "read_again": read_again, **checker.reply()}


def _check(paths: list[Path], checker: RecordChecker) -> tuple[RecordChecker, list[Reply]]:
    """Check the records that the consumers saved, each record once.

    Returns:
        the checker, and an entry for each consumer but the first: the number of `bytes` that it read a second
        time, the number of bytes that its predecessor `saved` last, and True in `same` if they are unchanged.
    """
    end, last, again = 0, memoryview(b""), []
    for number, path in enumerate(paths):
        for index, (position, records) in enumerate(read_saved(path)):
            known = end - position
            if number and not index:
                again.append({"bytes": known, "saved": len(last), "same": records[:known] == last[-known:]})
            checker.add(records[max(known, 0) :], position + max(known, 0))
            end, last = position + len(records), records
    checker.finish()
    return checker, again
