"""MAP: creating a ring, system calls that a ring does not support, and mapping a ring."""

from __future__ import annotations

from dataclasses import replace
from errno import EACCES, EBUSY, EINVAL, ENOMEM, EPERM
from typing import TYPE_CHECKING, Literal

from dynptr_harness.conformance.case import Case, Difference
from dynptr_harness.conformance.experiments.base import RING_SIZE
from dynptr_harness.conformance.experiments.maps import (
    ARRAY_OF_MAPS,
    INNER_MAP,
    MMAPABLE,
    NO_PREALLOC,
    NUMA_NODE,
    PAGE,
    RB_OVERWRITE,
    RDONLY,
    RDONLY_PROG,
    USER_RINGBUF,
    WRONLY,
    Create,
    Element,
    Freeze,
    Info,
    MapCalls,
    Mmap,
    Mprotect,
    Munmap,
    calls,
)

if TYPE_CHECKING:
    from dynptr_harness.conformance.experiments.base import Experiment

ENOTSUPP = 524  # include/linux/errno.h; user space has no name for it
OVERWRITE_SINCE = (6, 19)

_CONSUMER, _PRODUCER, _DATA = 0, PAGE, 2 * PAGE  # offsets for mmap(2)
_FROM_PRODUCER = PAGE + 2 * RING_SIZE  # the producer page, and the data twice
_END = _PRODUCER + _FROM_PRODUCER

_RING = Create()

_ALLOC = "kernel/bpf/ringbuf.c, ringbuf_map_alloc (v5.8, commit 457f44363a88)"
_OVERWRITE = "kernel/bpf/ringbuf.c, RINGBUF_CREATE_FLAG_MASK: overwrite mode was added in v6.19"
_CREATE = "kernel/bpf/syscall.c, map_create"
_NO_ELEMENTS = (
    "kernel/bpf/ringbuf.c, ringbuf_map_{lookup,update,delete}_elem and get_next_key (v5.8, commit "
    "457f44363a88)"
)
_COPY_KEY = (
    "kernel/bpf/syscall.c, __bpf_copy_key: no key may be given if the key size is 0 (v4.20, c9d29f4654c8)"
)
_FREEZE = "kernel/bpf/syscall.c, map_freeze: -EBUSY while the map is mapped for writing (v5.5, fc9702273e2e)"
_MMAP_KERN = "kernel/bpf/ringbuf.c, ringbuf_map_mmap_kern: only the consumer page is writable"
_RANGE = "mm/vmalloc.c, remap_vmalloc_range_partial: not past the end of the area"
_MMAP = "kernel/bpf/syscall.c, bpf_map_mmap (v5.5, commit fc9702273e2e)"


def _row(
    number: int,
    title: str,
    experiment: Experiment,
    source: str,
    *differences: Difference,
) -> Case:
    """Return a row about system calls. It uses no BPF program, so it runs in one type."""
    return Case(f"MAP-{number:03}", title, experiment, source, differences, types=("SYSCALL",))


def _sizes(errno: int, *sizes: int) -> MapCalls:
    return calls(*(Create(errno, max_entries=size) for size in sizes))


def _flags(errno: int, *flags: int) -> MapCalls:
    return calls(*(Create(errno, map_flags=flag) for flag in flags))


def _elements(errno: int, key: bytes | None) -> MapCalls:
    ops: tuple[Literal["lookup", "update", "delete", "next"], ...] = ("lookup", "update", "delete", "next")
    return calls(_RING, *(Element(errno, op=op, key=key) for op in ops))


def _inner(*overwriting: Create | Element) -> MapCalls:
    """Insert an inner ring, replace it with one of another size, then with one that overwrites."""
    return calls(
        Create(name="small"),
        Create(name="outer", map_type=ARRAY_OF_MAPS, key_size=4, value_size=4, max_entries=1, inner="small"),
        Create(name="large", max_entries=4 * RING_SIZE),
        *(Element(name="outer", op="update", key=bytes(4), value=ring) for ring in ("small", "large")),
        *overwriting,
    )


def _mapped(*maps: Mmap) -> MapCalls:
    return calls(_RING, *maps)


_OVERWRITING = Create(name="overwriting", map_flags=RB_OVERWRITE)
_REPLACE = Element(EINVAL, name="outer", op="update", key=bytes(4), value="overwriting")

CASES = (
    _row(
        1,
        "a ring can be created with a size of 2^n pages",
        _sizes(0, PAGE, 2 * PAGE, 16 * PAGE, 256 * PAGE),
        _ALLOC,
    ),
    _row(
        2,
        "a ring cannot be created with a size that is not 2^n pages",
        _sizes(EINVAL, 0, 1, PAGE // 2, PAGE + 1, 3 * PAGE // 2, 3 * PAGE),
        _ALLOC,
    ),
    _row(
        3,
        "a ring cannot be created with a key size or a value size",
        calls(*(Create(EINVAL, key_size=key, value_size=value) for key, value in ((4, 0), (0, 4), (4, 4)))),
        _ALLOC,
    ),
    _row(
        4,
        "creating a ring that does not fit into memory fails with -ENOMEM and has no other effect",
        calls(Create(ENOMEM, max_entries=1 << 31, memory=64 << 20), _RING),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_area_alloc: pages are charged to the cgroup, __GFP_RETRY_MAYFAIL",
    ),
    _row(
        6,
        "a ring can be created on a NUMA node that exists",
        calls(
            Create(map_flags=NUMA_NODE, numa_node=0),
            Info(map_flags=NUMA_NODE),
            Create(EINVAL, map_flags=NUMA_NODE, numa_node=99),
        ),
        _CREATE,
    ),
    _row(
        7,
        "a ring cannot be created with the flags of other map types",
        _flags(EINVAL, NO_PREALLOC, RDONLY, WRONLY, RDONLY_PROG, MMAPABLE, INNER_MAP),
        _ALLOC,
    ),
    _row(
        8,
        "a ring can be created with the flag to overwrite its oldest records",
        calls(_OVERWRITING, Info(name="overwriting", map_flags=RB_OVERWRITE)),
        _OVERWRITE,
        Difference(
            calls(replace(_OVERWRITING, errno=EINVAL), Info(None, "overwriting", map_flags=RB_OVERWRITE)),
            _OVERWRITE,
            before=OVERWRITE_SINCE,
        ),
    ),
    _row(
        9,
        "a user ring buffer cannot be created with the flag to overwrite",
        calls(Create(EINVAL, map_type=USER_RINGBUF, map_flags=RB_OVERWRITE)),
        "kernel/bpf/ringbuf.c, ringbuf_map_alloc: overwrite mode is for BPF_MAP_TYPE_RINGBUF",
    ),
    _row(
        10,
        "a ring cannot be created with map_extra",
        calls(Create(EINVAL, map_extra=1)),
        "kernel/bpf/syscall.c, map_create: map_extra is for bloom filters (v5.16, commit 9330986c0300)",
    ),
    _row(
        11,
        "a process without CAP_BPF can create a ring if unprivileged_bpf_disabled is 0, but not if it is 2",
        calls(Create(by_nobody=0), Create(EPERM, by_nobody=2)),
        "kernel/bpf/syscall.c, map_create and __sys_bpf: sysctl_unprivileged_bpf_disabled",
    ),
    _row(
        12,
        "the kernel reports the type, the sizes and the flags that a ring was created with",
        calls(
            _RING,
            Info(),
            Create(name="large", max_entries=16 * PAGE, map_flags=NUMA_NODE),
            Info(name="large", max_entries=16 * PAGE, map_flags=NUMA_NODE),
        ),
        "kernel/bpf/syscall.c, bpf_map_get_info_by_fd",
    ),
    _row(
        13,
        "on a ring, lookup, update, delete and next key fail with -ENOTSUPP",
        _elements(ENOTSUPP, None),
        _NO_ELEMENTS,
    ),
    _row(
        14,
        "on a ring, lookup, update, delete and next key fail with -EINVAL if a key is given",
        _elements(EINVAL, bytes(4)),
        _COPY_KEY,
    ),
    _row(
        15,
        "a ring can be frozen, but not while its consumer page is mapped for writing",
        calls(_RING, Mmap(prot="rw"), Freeze(EBUSY), Munmap(), Mmap(prot="r"), Freeze()),
        _FREEZE,
    ),
    _row(
        16,
        "an inner ring can be replaced by a ring of another size, but not by one that overwrites",
        _inner(_OVERWRITING, _REPLACE),
        "kernel/bpf/map_in_map.c, bpf_map_meta_equal: flags are compared, the number of entries is not",
        Difference(
            _inner(replace(_OVERWRITING, errno=EINVAL), replace(_REPLACE, errno=None)),
            _OVERWRITE,
            before=OVERWRITE_SINCE,
        ),
    ),
    _row(
        30,
        "the consumer page can be mapped for reading and for writing",
        _mapped(Mmap(prot="r"), Mmap(prot="rw")),
        _MMAP_KERN,
    ),
    _row(
        31,
        "the consumer page cannot be mapped for writing together with the producer page",
        _mapped(Mmap(EPERM, length=2 * PAGE, prot="rw")),
        _MMAP_KERN,
    ),
    _row(
        32,
        "the producer page and the data pages cannot be mapped for writing",
        _mapped(
            *(Mmap(EPERM, offset=offset, prot="rw") for offset in (_PRODUCER, _DATA, _DATA + RING_SIZE)),
            Mmap(EPERM, offset=_PRODUCER, length=_FROM_PRODUCER, prot="rw"),
            Mmap(EPERM, length=_END, prot="rw"),
        ),
        _MMAP_KERN,
    ),
    _row(
        33,
        "the producer page and both copies of the data can be mapped for reading as one range",
        _mapped(Mmap(offset=_PRODUCER, length=_FROM_PRODUCER)),
        "kernel/bpf/ringbuf.c, bpf_ringbuf_area_alloc: each data page is mapped twice",
    ),
    _row(
        34,
        "a mapping cannot reach past the second copy of the data",
        _mapped(
            Mmap(EINVAL, offset=_PRODUCER, length=_FROM_PRODUCER + PAGE),
            Mmap(EINVAL, offset=_END),
            Mmap(EINVAL, length=_END + PAGE),
        ),
        _RANGE,
    ),
    _row(
        35,
        "the whole ring can be mapped for reading, starting with the consumer page",
        _mapped(Mmap(length=_END)),
        _RANGE,
    ),
    _row(
        36,
        "a ring cannot be mapped with MAP_PRIVATE",
        _mapped(*(Mmap(EINVAL, prot=prot, private=True) for prot in ("r", "rw"))),
        _MMAP,
    ),
    _row(
        37,
        "a read-only mapping cannot be made writable, even of the consumer page",
        calls(
            _RING,
            Mmap(offset=_CONSUMER),
            Mprotect(EACCES, prot="rw"),
            Mmap(offset=_PRODUCER),
            Mprotect(EACCES, prot="rw"),
            Mmap(offset=_DATA),
            Mprotect(EACCES, prot="rw"),
        ),
        _MMAP,
    ),
    _row(
        38,
        "a mapping cannot be made executable afterwards",
        calls(
            _RING,
            Mmap(prot="rw"),
            Mprotect(EACCES, prot="rx"),
            Mmap(offset=_PRODUCER, length=_FROM_PRODUCER),
            Mprotect(EACCES, prot="rx"),
        ),
        _MMAP,
    ),
    _row(
        39,
        "a ring cannot be mapped as executable",
        _mapped(Mmap(EPERM, prot="rx"), Mmap(EPERM, offset=_PRODUCER, prot="rx")),
        "mm/mmap.c, do_mmap with fs/anon_inodes.c: anonymous inodes are noexec (v6.16, commit 1ed95281c0c7)",
        Difference(
            _mapped(Mmap(prot="rx"), Mmap(offset=_PRODUCER, prot="rx")),
            "before v6.16 (commit 1ed95281c0c7) anonymous inodes can be mapped as executable",
            before=(6, 16),
        ),
    ),
    _row(
        40,
        "a frozen ring can be mapped for reading, but its consumer page cannot be mapped for writing",
        calls(_RING, Freeze(), Mmap(EPERM, prot="rw"), Mmap(length=_END)),
        _MMAP,
    ),
)
