/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Definitions for all programs: the ring buffer, the record of the examples, and the control page. The agent
 * writes requests to the control page and reads results from it.
 *
 * BCC compiles most programs, as one module. clang compiles each file of bpf_src/elf to an ELF object. Those
 * files include elf_object.h first.
 *
 * The structures and enums here have Python twins in harness/dynptr_harness/protocol/structs.py.
 */
#ifndef DYNPTR_HARNESS_H
#define DYNPTR_HARNESS_H

/* One page: the smallest ring on a kernel with 4 KiB pages. */
#define RING_PAGES 1

/* The record of the examples. `words` are values that a consumer can check. */
struct record {
	u32 prog_type;
	u32 fired; /* number of the run, from 1 */
	u64 words[2];
};

enum release { SUBMIT = 0, DISCARD = 1 };

/* An access of a step while it holds its reservations: to a dynptr or, for comparison, to the ring. */
enum op {
	WRITE = 1,	   /* bpf_dynptr_write of `payload` */
	READ = 2,	   /* bpf_dynptr_read into `data` of the outcome */
	SLICE = 3,	   /* bpf_dynptr_data: 1 for a pointer, 0 for NULL; for the lengths in slice_of() */
	SLICE_WRITE = 4,   /* SLICE, then `payload` is copied through the pointer */
	QUERY = 5,	   /* bpf_ringbuf_query of `flags` */
	PLAIN_OUTPUT = 6,  /* bpf_ringbuf_output of `payload` */
	PLAIN_RESERVE = 7, /* bpf_ringbuf_reserve of 8 bytes: 1 on success, 0 on failure; it is discarded */
	/* kfuncs, in elf/kfunc_steps.bpf.c only */
	SIZE = 8,
	IS_NULL = 9,
	IS_RDONLY = 10,
	ADJUST = 11,	   /* to the range from `offset` to `len` */
	KFUNC_SLICE = 12,  /* of 8 bytes, or of 0 if `len` is 0: 1 for a pointer, 0 for NULL; copied to `data` */
	BUFFER_SLICE = 13, /* KFUNC_SLICE of 8 bytes with a buffer: 2 for a pointer to that buffer */
	COPY = 14,	   /* of `len` bytes to `offset`, from offset `flags` of the other one of A and B */
	MEMSET = 15,	   /* with the byte `flags` */
	PROBE_READ = 16,   /* of `payload`, or of the address `flags` if it is not 0 */
	IS_NULL_WORD = 17, /* IS_NULL, from all 64 bits of r0, which is -1 before the call */
	RDWR_SLICE = 18,   /* bpf_dynptr_slice_rdwr of 8 bytes, then `payload` is copied there; elf/rdwr_steps.bpf.c */
};

#define MAX_SLOTS 3 /* reservations of one step */
#define MAX_ACCESSES 6
#define MAX_PAYLOAD 64
#define MAX_FILL 64 /* reservations of a fill in one event */

/* The value of a number in an outcome until the program writes it. No helper returns it. */
#define UNSET (-(1LL << 40))

/* The points where a step waits for user space, in elf/held_steps.bpf.c only. */
enum pause { AFTER_A = 1, AFTER_B = 2, AFTER_RELEASE = 4 };

/* The slots of a step in the order of their release. D is a clone of A, in elf/kfunc_steps.bpf.c only. */
enum order {
	ORDER_ABC = 0,
	ORDER_ACB = 1,
	ORDER_BAC = 2,
	ORDER_BCA = 3,
	ORDER_CAB = 4,
	ORDER_CBA = 5,
	ORDER_DBC = 6,
};

struct access {
	u32 op; /* enum op */
	u16 slot;
	u16 source; /* offset in `payload` of the bytes to write */
	u64 len;
	u64 offset;
	u64 flags;
};

struct reservation {
	u64 size;
	u64 flags;
	u64 release; /* enum release */
	u64 release_flags;
};

/*
 * Reserve all slots, do the accesses, release the slots in `order`. An unused slot has a size above the maximum
 * of a dynptr: its reservation fails and does not change the ring.
 */
struct step {
	struct reservation slots[MAX_SLOTS];
	u32 order; /* enum order */
	u32 access_cnt;
	u64 pauses; /* bits of enum pause */
	struct access accesses[MAX_ACCESSES];
	u8 payload[MAX_PAYLOAD];
};

/* Results of bpf_ringbuf_query. */
struct position {
	u64 available;
	u64 consumer;
	u64 producer;
};

/* The results of one step. The agent sets every number to UNSET before the step. */
struct outcome {
	s64 reserved[MAX_SLOTS];
	s64 accessed[MAX_ACCESSES];
	s64 cloned; /* result of bpf_dynptr_clone of the first dynptr; elf/kfunc_steps.bpf.c */
	s64 paused; /* number of pauses that user space ended before their limit; elf/held_steps.bpf.c */
	struct position start;
	struct position after_reserve[MAX_SLOTS];
	struct position after_release[MAX_SLOTS]; /* in the order of release */
	u8 data[MAX_ACCESSES][MAX_PAYLOAD];
};

/* Up to `cnt` equal reservations before the step. The first failure ends them. */
struct fill {
	struct reservation each;
	u64 cnt;
	u64 granted; /* number of successful reservations */
	s64 error;   /* of the failed reservation */
};

/* Not part of the control page: user space writes it with one store of eight bytes, so an event never sees half. */
struct trigger {
	u32 armed; /* 1: the next event runs the program and resets this to 0 */
	u32 tgid;  /* process ID of the agent */
};

struct control {
	u32 fired;    /* number of runs since the program was armed */
	u32 has_step; /* 1 if `step` is set */
	u64 words[2]; /* for the record of the examples */
	struct fill fill;
	struct step step; /* only one in each run: the verifier would walk a loop of steps once for each step */
	struct outcome outcome;
};

/* The pauses of a step; elf/held_steps.bpf.c. */
struct pauses {
	u64 reached; /* number of the last pause that the program began, from 1 */
	u64 resumed; /* number of the last pause that user space ended */
	u64 limit;   /* end of this pause without user space: monotonic clock, in ns */
};

#ifdef ELF_OBJECT

/* Marks a program. The agent chooses the program type of the load. */
#define PROGRAM SEC("raw_tp")

/* The agent replaces these maps with the maps of the BCC module of the same name. */
struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_PAGES * 4096);
};
struct ring events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct control);
} control SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct trigger);
} trigger SEC(".maps");

static inline void *events_map(void)
{
	return &events;
}

static inline void *find_ring(void)
{
	int zero = 0;

	return bpf_map_lookup_elem(&rings, &zero);
}

static inline struct control *find_control(void)
{
	int zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static inline struct trigger *find_trigger(void)
{
	int zero = 0;

	return bpf_map_lookup_elem(&trigger, &zero);
}

#else /* inside BCC */

#define BPF_LICENSE Dual MIT/GPL
#define PROGRAM

BPF_RINGBUF_OUTPUT(events, RING_PAGES);

/* One slot for the ring that the agent creates for a script. The steps programs use it. */
BPF_ARRAY_OF_MAPS(rings, "events", 1);

/* The agent maps these two into its memory. */
BPF_F_TABLE("array", int, struct control, control, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("array", int, struct trigger, trigger, 1, BPF_F_MMAPABLE);

/*
 * The dynptr helpers take the address of a map, and BCC has no method that returns it. BCC rewrites
 * `events.ringbuf_reserve(n)` to `bpf_ringbuf_reserve(<address of events>, n, 0)`, but not inside a macro. This
 * macro reduces the rewritten call to the address.
 */
#define bpf_ringbuf_reserve(map, size, flags) (map)
static inline void *events_map(void)
{
	return events.ringbuf_reserve(0);
}

static inline void *find_ring(void)
{
	int zero = 0;

	return rings.lookup(&zero);
}

static inline struct control *find_control(void)
{
	int zero = 0;

	return control.lookup(&zero);
}

static inline struct trigger *find_trigger(void)
{
	int zero = 0;

	return trigger.lookup(&zero);
}

#endif

/* Return the control page if the program is armed, and disarm it. Otherwise return NULL. */
static inline struct control *claim_event(void)
{
	struct trigger *found = find_trigger();
	struct control *control_page = find_control();

	if (!found || !control_page || !found->armed)
		return 0;
	found->armed = 0;
	control_page->fired++;
	return control_page;
}

/* Do the same for an event of the agent's process only: other processes cause the events of some types too. */
static inline struct control *claim_own_event(void)
{
	struct trigger *found = find_trigger();

	if (!found || bpf_get_current_pid_tgid() >> 32 != found->tgid)
		return 0;
	return claim_event();
}

static inline void fill_record(struct record *record, struct control *control_page, u32 prog_type)
{
	record->prog_type = prog_type;
	record->fired = control_page->fired;
	record->words[0] = control_page->words[0];
	record->words[1] = control_page->words[1];
}

#endif
