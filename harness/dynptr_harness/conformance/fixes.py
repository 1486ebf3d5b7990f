"""Fixes of the kernel since 5.19 that concern dynptrs or rings, or have a CVE about the verifier or helpers.

Commits, titles and versions are those of the mainline. `make docs` generates docs/fixes.md from this list.
"""

from __future__ import annotations

from dataclasses import dataclass

RING = "kernel/bpf/ringbuf.c"
HELPERS = "helpers and maps"
VERIFIER = "verifier"

# Reasons for fixes without a case.
NUMBERS = "about the value ranges of numbers; it needs no dynptr and no ring"
PRECISION = "about precision tracking; it needs no dynptr and no ring"
SPECULATION = "about speculative execution, which has no visible result"
UNPRIVILEGED = "about programs without capabilities, which cannot use the helper"
LEAKS = "the verifier leaks its own memory, which has no visible result"
CRASHES = "the verifier crashes on a program without a dynptr"
LOOPS = "about the verifier's states of loops; VER-190 to VER-195 do not depend on it"
ATTACHING = "about attach targets that no case uses"
OBJECTS = "about kptrs, graphs and other kernel objects, which no case uses"
TIMERS = "a race between timers and their release; VER-011 and VER-085 only load a timer"
OTHER_MAPS = "about the elements of other maps; a ring has none"
STACK_OFFSETS = "needs stack offsets near 2^31, which no case has"
OTHER_POINTERS = "about pointers other than dynptrs and slices of reservations"
INTERPRETER = "about a false report of KMSAN, which the tested kernels lack"
CODE = "needs a kernel that fails to protect its code pages"
MAY_GOTO = "about may_goto, which no case uses"
OTHER_ARGUMENTS = "about pointers to a single number, which no dynptr helper takes; VER-173 is similar"
REALTIME = "needs a kernel with PREEMPT_RT"
OTHER_ITERATORS = "about the iterator over bits; the cases use the one over numbers"
ONE_CPU = "needs a kernel without SMP"
EXTENSIONS = "needs an extension program that changes packets, which no case loads"
FORMATS = "about format strings of pointers, which no case uses"
CFG = "about kinds of jumps that no case has"
ENCODING = "needs an instruction that compilers do not emit"
RACE = "a race between a wake-up and the release of a ring, which cannot be triggered reliably"
PACKETS = "about joining paths with pointers into packets; VER-221 and VER-222 have one path each"
BTF = "a race between BTF objects and their release"
INNER = "about the elements of inner arrays; VER-067 and VER-068 are about inner rings"
SPILLS = "about spilled pointers other than dynptrs and slices"
EXCLUSIVE = "about maps that belong to one program, which no case creates"
CRYPTO = "needs the kfuncs for ciphers and a cipher module, which the guest does not load"
MEMORY_SLICES = "about slices of overwritten dynptrs to memory; a reservation cannot be overwritten"
PACKET_SLICES = "only slices of packets are affected; KFN-013 is similar for a reservation"
TAIL_CALL_REGIONS = "about tail calls in locked regions; VER-132 and VER-136 test each of the two alone"
LOCKUPS = "needs a deadlock on the locks of rings; LOD-001 stresses them but does not deadlock"


@dataclass(frozen=True)
class Fix:
    """A fix in the mainline.

    Attributes:
        commit: the first twelve digits of its hash.
        title: its subject line.
        version: first release with the fix.
        area: the part of the kernel.
        seen_by: ids of the cases that fail without the fix, or the reason why there is none.
        cve: its CVE, if any.
    """

    commit: str
    title: str
    version: str
    area: str
    seen_by: tuple[str, ...] | str
    cve: str | None = None


FIXES = (
    Fix(
        "3844d153a41a",
        "bpf: Fix insufficient bounds propagation from adjust_scalar_min_max_vals",
        "5.19",
        VERIFIER,
        NUMBERS,
        "CVE-2022-49658",
    ),
    Fix(
        "2fc31465c537",
        "bpf: Do mark_chain_precision for ARG_CONST_ALLOC_SIZE_OR_ZERO",
        "6.0",
        VERIFIER,
        ("VER-182",),
        "CVE-2022-49961",
    ),
    Fix(
        "a657182a5c51",
        "bpf: Don't use tnum_range on array range checking for poke descriptors",
        "6.0",
        VERIFIER,
        NUMBERS,
        "CVE-2022-49985",
    ),
    Fix(
        "42378a9ca553",
        "bpf, verifier: Fix memory leak in array reallocation for stack state",
        "6.1",
        VERIFIER,
        LEAKS,
        "CVE-2022-49878",
    ),
    Fix("8addbfc7b308", "bpf: Gate dynptr API behind CAP_BPF", "6.1", HELPERS, ("VER-152", "VER-154")),
    Fix(
        "9d9d00ac29d0",
        "bpf: Fix reference state management for synchronous callbacks",
        "6.1",
        VERIFIER,
        ("VER-008", "VER-084"),
        "CVE-2022-50650",
    ),
    Fix(
        "eb86559a691c", "bpf: Fix memory leaks in __check_func_call", "6.1", VERIFIER, LEAKS, "CVE-2022-49837"
    ),
    Fix(
        "f1db20814af5",
        "bpf: Fix wrong reg type conversion in release_reference()",
        "6.1",
        VERIFIER,
        ("VER-029", "VER-030"),
        "CVE-2022-49873",
    ),
    Fix(
        "261f4664caff",
        "bpf: Clobber stack slot when writing over spilled PTR_TO_BTF_ID",
        "6.2",
        VERIFIER,
        SPILLS,
    ),
    Fix("270605317366", "bpf: Rework process_dynptr_func", "6.2", VERIFIER, ("VER-125", "VER-126")),
    Fix(
        "76d16077bef0",
        "bpf: Use memmove for bpf_dynptr_{read,write}",
        "6.2",
        HELPERS,
        ("DYN-021", "DYN-025", "DYN-026", "DYN-027"),
    ),
    Fix(
        "d3178e8a434b",
        "bpf: Skip invalid kfunc call in backtrack_insn",
        "6.2",
        VERIFIER,
        PRECISION,
        "CVE-2023-52928",
    ),
    Fix(
        "e4f4db47794c",
        "bpf: Fix pointer-leak due to insufficient speculative store bypass mitigation",
        "6.2",
        VERIFIER,
        SPECULATION,
        "CVE-2023-53024",
    ),
    Fix(
        "f5e477a861e4", "bpf: Fix slot type check in check_stack_write_var_off", "6.2", VERIFIER, UNPRIVILEGED
    ),
    Fix(
        "379d4ba831cf",
        "bpf: Allow reinitializing unreferenced dynptr stack slots",
        "6.3",
        VERIFIER,
        ("VER-091",),
    ),
    Fix(
        "79168a669d81", "bpf: Fix missing var_off check for ARG_PTR_TO_DYNPTR", "6.3", VERIFIER, ("VER-078",)
    ),
    Fix(
        "d6fefa1105da",
        "bpf: Fix state pruning for STACK_DYNPTR stack slots",
        "6.3",
        VERIFIER,
        ("VER-104", "VER-105"),
    ),
    Fix(
        "ef8fc7a07c0e",
        "bpf: Fix partial dynptr stack slot reads/writes",
        "6.3",
        VERIFIER,
        ("VER-095", "VER-096", "VER-097", "VER-101"),
    ),
    Fix(
        "f8064ab90d66",
        "bpf: Invalidate slices on destruction of dynptrs on stack",
        "6.3",
        VERIFIER,
        MEMORY_SLICES,
    ),
    Fix(
        "c11bd046485d",
        "bpf: Add preempt_count_{sub,add} into btf id deny list",
        "6.4",
        VERIFIER,
        ATTACHING,
        "CVE-2023-54086",
    ),
    Fix(
        "7793fc3babe9",
        "bpf: Make bpf_refcount_acquire fallible for non-owning refs",
        "6.5",
        HELPERS,
        OBJECTS,
        "CVE-2023-53645",
    ),
    Fix(
        "5426700e6841",
        "bpf: fix bpf_dynptr_slice() to stop return an ERR_PTR.",
        "6.6",
        HELPERS,
        PACKET_SLICES,
    ),
    Fix(
        "d75e30dddf73",
        "bpf: Fix issue in verifying allow_ptr_leaks",
        "6.6",
        VERIFIER,
        UNPRIVILEGED,
        "CVE-2023-54181",
    ),
    Fix(
        "0281b919e175",
        "bpf: Fix racing between bpf_timer_cancel_and_free and bpf_timer_cancel",
        "6.8",
        HELPERS,
        TIMERS,
        "CVE-2024-26737",
    ),
    Fix(
        "169410eba271",
        "bpf: Check rcu_read_lock_trace_held() before calling bpf map helpers",
        "6.8",
        HELPERS,
        OTHER_MAPS,
        "CVE-2023-52621",
    ),
    Fix(
        "1d38a9ee8157",
        "bpf: Guard stack limits against 32bit overflow",
        "6.8",
        VERIFIER,
        STACK_OFFSETS,
        "CVE-2023-52676",
    ),
    Fix(
        "22c7fa171a02",
        "bpf: Reject variable offset alu on PTR_TO_FLOW_KEYS",
        "6.8",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2024-26589",
    ),
    Fix(
        "41f6f64e6999",
        "bpf: support non-r10 register spill/fill to/from stack in precision tracking",
        "6.8",
        VERIFIER,
        PRECISION,
        "CVE-2023-52920",
    ),
    Fix(
        "6b4a64bafd10",
        "bpf: Fix accesses to uninit stack slots",
        "6.8",
        VERIFIER,
        ("VER-178",),
        "CVE-2023-52452",
    ),
    Fix(
        "876673364161",
        "bpf: Defer the free of inner map when necessary",
        "6.8",
        HELPERS,
        ("VER-237",),
        "CVE-2023-52447",
    ),
    Fix(
        "ab125ed3ec1c",
        "bpf: fix check for attempt to corrupt spilled pointer",
        "6.8",
        VERIFIER,
        UNPRIVILEGED,
        "CVE-2023-52462",
    ),
    Fix(
        "ecc6a2101840",
        "bpf: Protect against int overflow for stack access size",
        "6.9",
        VERIFIER,
        STACK_OFFSETS,
        "CVE-2024-35905",
    ),
    Fix(
        "0db63c0b86e9",
        "bpf: Fix verifier assumptions about socket->sk",
        "6.10",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2024-38566",
    ),
    Fix(
        "2b2efe1937ca",
        "bpf: Fix may_goto with negative offset.",
        "6.10",
        VERIFIER,
        MAY_GOTO,
        "CVE-2024-42072",
    ),
    Fix(
        "7d2cc63eca0c",
        "bpf: Take return from set_memory_ro() into account with bpf_prog_lock_ro()",
        "6.10",
        VERIFIER,
        CODE,
        "CVE-2024-42068",
    ),
    Fix(
        "92424801261d",
        "bpf: Fix reg_set_min_max corruption of fake_reg",
        "6.10",
        VERIFIER,
        NUMBERS,
        "CVE-2024-41003",
    ),
    Fix(
        "98e948fb60d4",
        "bpf: Allow delete from sockmap/sockhash only if update is allowed",
        "6.10",
        HELPERS,
        OTHER_MAPS,
        "CVE-2024-38662",
    ),
    Fix(
        "a6fcd19d7eac",
        "bpf: Defer work in bpf_timer_cancel_and_free",
        "6.10",
        HELPERS,
        TIMERS,
        "CVE-2024-41045",
    ),
    Fix(
        "cfa1a2329a69",
        "bpf: Fix overrunning reservations in ringbuf",
        "6.10",
        RING,
        ("RSV-020",),
        "CVE-2024-41009",
    ),
    Fix(
        "d4523831f07a",
        "bpf: Fail bpf_timer_cancel when callback is being cancelled",
        "6.10",
        HELPERS,
        TIMERS,
        "CVE-2024-42239",
    ),
    Fix(
        "e8742081db7d",
        "bpf: Mark bpf prog stack with kmsan_unposion_memory in interpreter mode",
        "6.10",
        VERIFIER,
        INTERPRETER,
        "CVE-2024-42063",
    ),
    Fix(
        "4a04b4f0de59",
        "bpf: fix overflow check in adjust_jmp_off()",
        "6.11",
        VERIFIER,
        MAY_GOTO,
        "CVE-2024-43838",
    ),
    Fix(
        "bed2eb964c70",
        "bpf: Fix a kernel verifier crash in stacksafe()",
        "6.11",
        VERIFIER,
        CRASHES,
        "CVE-2024-45020",
    ),
    Fix(
        "ec2b9a5e11e5",
        "bpf: add missing check_func_arg_reg_off() to prevent out-of-bounds memory accesses",
        "6.11",
        VERIFIER,
        ("VER-184",),
        "CVE-2024-43910",
    ),
    Fix(
        "101ccfbabf47",
        "bpf: Free dynamically allocated bits in bpf_iter_bits_destroy()",
        "6.12",
        HELPERS,
        OTHER_ITERATORS,
        "CVE-2024-50254",
    ),
    Fix(
        "32556ce93bc4",
        "bpf: Fix helper writes to read-only maps",
        "6.12",
        VERIFIER,
        OTHER_ARGUMENTS,
        "CVE-2024-49861",
    ),
    Fix(
        "393397fbdcad",
        "bpf: Check the validity of nr_words in bpf_iter_bits_new()",
        "6.12",
        HELPERS,
        OTHER_ITERATORS,
        "CVE-2024-50253",
    ),
    Fix(
        "4b3786a6c539",
        "bpf: Zero former ARG_PTR_TO_{LONG,INT} args in case of error",
        "6.12",
        HELPERS,
        OTHER_ARGUMENTS,
        "CVE-2024-47728",
    ),
    Fix(
        "5d99e198be27",
        "bpf, lsm: Add check for BPF LSM return value",
        "6.12",
        VERIFIER,
        ATTACHING,
        "CVE-2024-47703",
    ),
    Fix("7dd34d7b7dcf", "bpf: Fix a sdiv overflow issue", "6.12", VERIFIER, NUMBERS, "CVE-2024-49888"),
    Fix("8b62645b09f8", "bpf: Use raw_spinlock_t in ringbuf", "6.12", RING, REALTIME, "CVE-2024-50138"),
    Fix(
        "8ea607330a39",
        "bpf: Fix overloading of MEM_UNINIT's meaning",
        "6.12",
        VERIFIER,
        ("VER-183",),
        "CVE-2024-50164",
    ),
    Fix(
        "92de36080c93",
        "bpf: Fail verification for sign-extension of packet data/data_end/data_meta",
        "6.12",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2024-47702",
    ),
    Fix(
        "e9bd9c498cb0",
        "bpf: sync_linked_regs() must preserve subreg_def",
        "6.12",
        VERIFIER,
        NUMBERS,
        "CVE-2024-53125",
    ),
    Fix(
        "23579010cf0a",
        "bpf: Fix bpf_get_smp_processor_id() on !CONFIG_SMP",
        "6.13",
        HELPERS,
        ONE_CPU,
        "CVE-2024-56768",
    ),
    Fix(
        "46f7ed32f7a8",
        "bpf: Tighten tail call checks for lingering locks, RCU, preempt_disable",
        "6.13",
        VERIFIER,
        TAIL_CALL_REGIONS,
    ),
    Fix(
        "51081a3f25c7",
        "bpf: track changes_pkt_data property for global functions",
        "6.13",
        VERIFIER,
        ("VER-222",),
        "CVE-2024-58098",
    ),
    Fix(
        "81f6d0530ba0",
        "bpf: check changes_pkt_data property for extension programs",
        "6.13",
        VERIFIER,
        EXTENSIONS,
        "CVE-2024-58100",
    ),
    Fix(
        "cb4158ce8ec8",
        "bpf: Mark raw_tp arguments with PTR_MAYBE_NULL",
        "6.13",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2024-56702",
    ),
    Fix(
        "58f038e6d209",
        "bpf: Cancel the running bpf_timer through kworker for PREEMPT_RT",
        "6.14",
        HELPERS,
        TIMERS,
        "CVE-2025-21825",
    ),
    Fix(
        "6ebc5030e0c5",
        "bpf: Fix array bounds error with may_goto",
        "6.15",
        VERIFIER,
        MAY_GOTO,
        "CVE-2025-22087",
    ),
    Fix("a650d38915c1", "bpf: Convert ringbuf map to rqspinlock", "6.15", RING, LOCKUPS),
    Fix(
        "bbbc02b7445e",
        "bpf: copy_verifier_state() should copy 'loop_entry' field",
        "6.15",
        VERIFIER,
        LOOPS,
        "CVE-2025-38060",
    ),
    Fix(
        "079e5c56a5c4",
        "bpf: Fix error return value in bpf_copy_from_user_dynptr",
        "6.16",
        HELPERS,
        ("KFN-030",),
    ),
    Fix(
        "d4965578267e",
        "bpf: Check rcu_read_lock_trace_held() in bpf_map_lookup_percpu_elem()",
        "6.16",
        HELPERS,
        OTHER_MAPS,
        "CVE-2025-38202",
    ),
    Fix(
        "e2d2115e56c4",
        "bpf: Do not include stack ptr register in precision backtracking bookkeeping",
        "6.16",
        VERIFIER,
        PRECISION,
        "CVE-2025-38279",
    ),
    Fix(
        "f8242745871f",
        "bpf: Reject %p% format string in bprintf-like helpers",
        "6.16",
        VERIFIER,
        FORMATS,
        "CVE-2025-38528",
    ),
    Fix(
        "3157f7e29996",
        "bpf: handle jset (if a & b ...) as a jump in CFG computation",
        "6.17",
        VERIFIER,
        CFG,
        "CVE-2025-38607",
    ),
    Fix(
        "6279846b9b25",
        "bpf: Forget ranges when refining tnum after JSET",
        "6.17",
        VERIFIER,
        NUMBERS,
        "CVE-2025-39748",
    ),
    Fix(
        "65fdafd6765f",
        "bpf: Avoid warning on multiple referenced args in call",
        "6.17",
        VERIFIER,
        ("VER-170", "VER-171"),
    ),
    Fix(
        "6d78b4473cdb",
        "bpf: Tell memcg to use allow_spinning=false path in bpf_timer_init()",
        "6.17",
        HELPERS,
        TIMERS,
        "CVE-2025-39886",
    ),
    Fix(
        "e4414b01c1cd",
        "bpf: Check the helper function is valid in get_helper_proto",
        "6.17",
        VERIFIER,
        CRASHES,
        "CVE-2025-39990",
    ),
    Fix(
        "f9bb6ffa7f5a",
        "bpf: Fix out-of-bounds dynptr write in bpf_crypto_crypt",
        "6.17",
        HELPERS,
        CRYPTO,
        "CVE-2025-39917",
    ),
    Fix(
        "34904582b502",
        "bpf: Skip scalar adjustment for BPF_NEG if dst is a pointer",
        "6.18",
        VERIFIER,
        NUMBERS,
        "CVE-2025-40050",
    ),
    Fix(
        "4e9077638301",
        "bpf: Sync pending IRQ work before freeing ring buffer",
        "6.18",
        RING,
        RACE,
        "CVE-2025-40319",
    ),
    Fix(
        "55c0ced59fe1",
        "bpf: Reject negative offsets for ALU ops",
        "6.18",
        VERIFIER,
        ENCODING,
        "CVE-2025-40169",
    ),
    Fix(
        "a3c73d629ea1",
        "bpf: dont report verifier bug for missing bpf_scc_visit on speculative path",
        "6.18",
        VERIFIER,
        SPECULATION,
        "CVE-2025-40143",
    ),
    Fix(
        "b0c8e6d3d866",
        "bpf: account for current allocated stack depth in widen_imprecise_scalars()",
        "6.18",
        VERIFIER,
        NUMBERS,
        "CVE-2025-68208",
    ),
    Fix("e3245f899043", "bpf: properly verify tail call behavior", "6.19", VERIFIER, ("VER-207", "VER-209")),
    Fix(
        "179ee84a8911",
        "bpf: Fix incorrect pruning due to atomic fetch precision tracking",
        "7.0",
        VERIFIER,
        PRECISION,
        "CVE-2026-43009",
    ),
    Fix(
        "6c2128505f61",
        "bpf: Fix exception exit lock checking for subprogs",
        "7.0",
        VERIFIER,
        ("VER-213",),
        "CVE-2026-31526",
    ),
    Fix(
        "802eef5afb18",
        "bpf: Fix memory access flags in helper prototypes",
        "7.0",
        HELPERS,
        ("VER-185",),
        "CVE-2026-45903",
    ),
    Fix(
        "a3125bc01884",
        "bpf: Reset register ID for BPF_END value tracking",
        "7.0",
        VERIFIER,
        NUMBERS,
        "CVE-2026-43070",
    ),
    Fix(
        "a8502a79e832",
        "bpf: Fix regsafe() for pointers to packet",
        "7.0",
        VERIFIER,
        PACKETS,
        "CVE-2026-43030",
    ),
    Fix(
        "af9e89d8dd39",
        "bpf: Preserve id of register in sync_linked_regs()",
        "7.0",
        VERIFIER,
        NUMBERS,
        "CVE-2026-45933",
    ),
    Fix(
        "b0db1accbc73",
        "bpf: reject direct access to nullable PTR_TO_BUF pointers",
        "7.0",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2026-43333",
    ),
    Fix(
        "c845894ebd6f",
        "bpf: Fix unsound scalar forking in maybe_fork_scalars() for BPF_OR",
        "7.0",
        VERIFIER,
        NUMBERS,
        "CVE-2026-31413",
    ),
    Fix(
        "ccd2d799ed44",
        "bpf: Fix a potential use-after-free of BTF object",
        "7.0",
        VERIFIER,
        BTF,
        "CVE-2026-45951",
    ),
    Fix(
        "d1aab1ca576c",
        "bpf: Properly mark live registers for indirect jumps",
        "7.0",
        VERIFIER,
        CFG,
        "CVE-2026-43321",
    ),
    Fix(
        "2f2ec8e7730e",
        "bpf: Enforce regsafe base id consistency for BPF_ADD_CONST scalars",
        "7.1",
        VERIFIER,
        NUMBERS,
        "CVE-2026-53081",
    ),
    Fix("3d562d35a044", "bpf: Check global subprog exception paths", "7.1", VERIFIER, ("VER-202",)),
    Fix(
        "4d0a375887ab",
        "bpf: Fix NULL deref in map_kptr_match_type for scalar regs",
        "7.1",
        VERIFIER,
        OBJECTS,
        "CVE-2026-53032",
    ),
    Fix(
        "6bd96e40f31d",
        "bpf: Propagate error from visit_tailcall_insn",
        "7.1",
        VERIFIER,
        CFG,
        "CVE-2026-63864",
    ),
    Fix(
        "d7f14173c0d5",
        "bpf: Fix linked reg delta tracking when src_reg == dst_reg",
        "7.1",
        VERIFIER,
        NUMBERS,
        "CVE-2026-53092",
    ),
    Fix(
        "ee861486e377",
        "bpf: Fix ld_{abs,ind} failure path analysis in subprogs",
        "7.1",
        VERIFIER,
        ("VER-211",),
        "CVE-2026-53090",
    ),
    Fix(
        "26490a375cb9",
        "bpf: Fix insn_aux_data leak on verifier err_free_env path",
        "7.2",
        VERIFIER,
        LEAKS,
        "CVE-2026-72401",
    ),
    Fix(
        "2eee6fe8ac2c", "bpf: Fix dynptr ref counting to scan all call frames", "7.2", VERIFIER, ("VER-214",)
    ),
    Fix(
        "308c7a0ae885",
        "bpf: Refactor object relationship tracking and fix dynptr UAF bug",
        "7.2",
        VERIFIER,
        ("VER-116", "VER-215"),
    ),
    Fix(
        "3a354149bcea",
        "bpf: Preserve pointer spill metadata during half-slot cleanup",
        "7.2",
        VERIFIER,
        SPILLS,
        "CVE-2026-72426",
    ),
    Fix(
        "4a7910ee060d",
        "bpf: Clear rb node linkage when freeing bpf_rb_root",
        "7.2",
        HELPERS,
        OBJECTS,
        "CVE-2026-74344",
    ),
    Fix(
        "50dff0061552",
        "bpf: Fix NULL pointer dereference in bpf_task_from_vpid()",
        "7.2",
        HELPERS,
        OBJECTS,
        "CVE-2026-74335",
    ),
    Fix(
        "53040a81ae57",
        "bpf: Keep dynamic inner array lookups nullable",
        "7.2",
        VERIFIER,
        INNER,
        "CVE-2026-64353",
    ),
    Fix(
        "5b038319be44",
        "bpf: Reject sleepable BPF_LSM_CGROUP programs at load time",
        "7.2",
        VERIFIER,
        ATTACHING,
        "CVE-2026-74338",
    ),
    Fix(
        "5e0b273e0a62",
        "bpf: Reset register bounds before narrowing retval range in check_mem_access()",
        "7.2",
        VERIFIER,
        NUMBERS,
        "CVE-2026-72111",
    ),
    Fix(
        "9a3c3c49c333",
        "bpf: Reject exclusive maps as inner maps in map-in-map",
        "7.2",
        HELPERS,
        EXCLUSIVE,
        "CVE-2026-74364",
    ),
    Fix(
        "b7dd2b388657",
        "bpf: Unify referenced object tracking in verifier",
        "7.2",
        VERIFIER,
        ("VER-170", "VER-171"),
    ),
    Fix(
        "d1d53aa30ab3",
        "bpf: Fix stack slot index in nospec checks",
        "7.2",
        VERIFIER,
        SPECULATION,
        "CVE-2026-72428",
    ),
    Fix(
        "fd4cfa8c8f9a",
        "bpf: Reject negative const offsets for buffer pointers",
        "7.2",
        VERIFIER,
        OTHER_POINTERS,
        "CVE-2026-68462",
    ),
)
