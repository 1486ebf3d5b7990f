/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What every program of this project shares: the ring buffer it writes to, the record it writes, and the
 * page through which the agent tells it what to do and learns what happened.
 *
 * Most programs are compiled by clang inside BCC, all of them in one module; those in bpf_src/elf become an
 * object each, and begin with elf_object.h.
 */
#ifndef DYNPTR_HARNESS_H
#define DYNPTR_HARNESS_H

/* One page, the smallest ring there is on a kernel with 4 KiB pages. */
#define RING_PAGES 1

/* The record of the examples: fixed header, number of the firing, and words that a consumer can check. */
struct record {
	u32 prog_type;
	u32 fired;
	u64 words[2];
};

enum release { SUBMIT = 0, DISCARD = 1 };

/* What a step can do with a dynptr while it holds it; for the ring too, to compare. */
enum op {
	WRITE = 1,	   /* bpf_dynptr_write of `payload` */
	READ = 2,	   /* bpf_dynptr_read into the outcome's `data` */
	SLICE = 3,	   /* bpf_dynptr_data: 1 if it gave a pointer, else 0; lengths as in slice_of() */
	SLICE_WRITE = 4,   /* the same, and `payload` is copied through the pointer */
	QUERY = 5,	   /* bpf_ringbuf_query of `flags` */
	PLAIN_OUTPUT = 6,  /* bpf_ringbuf_output of `payload` */
	PLAIN_RESERVE = 7, /* bpf_ringbuf_reserve of a constant 8 bytes: 1 if granted (and discarded), else 0 */
	/* By kfuncs, in elf/kfunc_steps.bpf.c only. */
	SIZE = 8,
	IS_NULL = 9,
	IS_RDONLY = 10,
	ADJUST = 11,	   /* to begin at `offset` and end at `len` */
	KFUNC_SLICE = 12,  /* of 8 bytes or none, by `len`: 1 for a pointer, copied from into `data`, else 0 */
	BUFFER_SLICE = 13, /* of 8 bytes, with a buffer of its own: 2 for a pointer to that buffer */
	COPY = 14,	   /* of `len` bytes to `offset`, from the other one of A and B, from `flags` on */
	MEMSET = 15,	   /* of the byte `flags` */
	PROBE_READ = 16,   /* of `payload`, or from the address `flags` if that is not 0 */
	IS_NULL_WORD = 17, /* IS_NULL by all 64 bits of the register, which held -1 before */
	RDWR_SLICE = 18,   /* bpf_dynptr_slice_rdwr of 8 bytes, and `payload` is copied there; elf/rdwr_steps.bpf.c */
};

#define MAX_SLOTS 3 /* reservations that one step holds at a time */
#define MAX_ACCESSES 6
#define MAX_PAYLOAD 64
#define MAX_FILL 64 /* in one event */

/* What the agent has put where a program has yet to say something: no helper answers this. */
#define UNSET (-(1LL << 40))

/* Where a step waits for user space, in elf/held_steps.bpf.c only. */
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
	u16 source; /* where in `payload` the bytes to write begin */
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
 * Reserves all slots, does the accesses, and releases the slots in the order of `order`. A slot that is not
 * wanted asks for more than any dynptr can hold, which fails and leaves the ring alone.
 */
struct step {
	struct reservation slots[MAX_SLOTS];
	u32 order; /* enum order */
	u32 access_cnt;
	u64 pauses; /* bits of enum pause */
	struct access accesses[MAX_ACCESSES];
	u8 payload[MAX_PAYLOAD];
};

/* What bpf_ringbuf_query said. */
struct position {
	u64 available;
	u64 consumer;
	u64 producer;
};

/* What one step did, as the program saw it. Unset fields keep the value the agent put there. */
struct outcome {
	s64 reserved[MAX_SLOTS];
	s64 accessed[MAX_ACCESSES];
	s64 cloned; /* what cloning the first dynptr answered; elf/kfunc_steps.bpf.c */
	s64 paused; /* how many pauses user space ended in time; elf/held_steps.bpf.c */
	struct position start;
	struct position after_reserve[MAX_SLOTS];
	struct position after_release[MAX_SLOTS]; /* in the order of release */
	u8 data[MAX_ACCESSES][MAX_PAYLOAD];
};

/* Reservations of one size in a row before the steps, until `cnt` or until the first that fails. */
struct fill {
	struct reservation each;
	u64 cnt;
	u64 granted; /* how many were */
	s64 error;   /* of the one that was not */
};

/* Apart from the control page, because eight bytes are stored at once: an event never finds half of them. */
struct trigger {
	u32 armed; /* the next event runs the program, and takes this back to 0 */
	u32 tgid;  /* of the agent */
};

struct control {
	u32 fired;    /* how often an armed program ran */
	u32 has_step; /* whether there is anything in `step` */
	u64 words[2]; /* what the examples write into their record */
	struct fill fill;
	struct step step; /* one a run: the verifier would walk a loop of steps once for each */
	struct outcome outcome;
};

/* How a program and user space take turns in a held step; elf/held_steps.bpf.c. */
struct pauses {
	u64 reached; /* the pause that the program is in or was in last, counted from 1 */
	u64 resumed; /* the last pause that user space has ended */
	u64 limit;   /* of this pause, by the monotonic clock, in ns */
};

#ifdef ELF_OBJECT

/* Marks what is loaded as a program; which type it is loaded into, the agent decides. */
#define PROGRAM SEC("raw_tp")

/* The maps: the agent puts those that BCC made in the place of these, by name. */
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

/* The ring that the agent makes for one experiment, of the size it wants; the steps programs use this one. */
BPF_ARRAY_OF_MAPS(rings, "events", 1);

/* The agent has these two in its memory. */
BPF_F_TABLE("array", int, struct control, control, 1, BPF_F_MMAPABLE);
BPF_F_TABLE("array", int, struct trigger, trigger, 1, BPF_F_MMAPABLE);

/*
 * The helpers for dynptrs take the map itself, and BCC has no method that yields it: its rewriter turns
 * `events.ringbuf_reserve(n)` into `bpf_ringbuf_reserve(<address of events>, n, 0)`, and refuses to do so
 * inside a macro. With that helper's name defined away only the address remains.
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

/* The control page if the agent armed this program, which is so for one event only; else NULL. */
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

/* The same for program types whose event can come from any process of the system. */
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
