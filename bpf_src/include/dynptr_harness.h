/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What every program of this project shares: the ring buffer it writes to, the record it writes, and the
 * page through which the agent tells it what to do and learns what happened.
 *
 * The programs are compiled by clang inside BCC, all of them in one module.
 */
#ifndef DYNPTR_HARNESS_H
#define DYNPTR_HARNESS_H

#define BPF_LICENSE Dual MIT/GPL

/* One page, the smallest ring there is on a kernel with 4 KiB pages. */
#define RING_PAGES 1
BPF_RINGBUF_OUTPUT(events, RING_PAGES);

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

/* The ring that the agent makes for one experiment, of the size it wants; the steps programs use this one. */
BPF_ARRAY_OF_MAPS(rings, "events", 1);

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
};

#define MAX_STEPS 4
#define MAX_SLOTS 3 /* reservations that one step holds at a time */
#define MAX_ACCESSES 8
#define MAX_PAYLOAD 64
#define MAX_FILL 640 /* more than the records without payload that fit into one page */

struct access {
	u32 op;
	u16 slot;
	u16 from; /* where in `payload` the bytes to write begin */
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
	u32 order; /* 0 to 5: ABC ACB BAC BCA CAB CBA */
	u32 access_cnt;
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

struct control {
	u32 armed;    /* the next event of the agent runs the program, and takes this back to 0 */
	u32 tgid;     /* of the agent */
	u32 fired;    /* how often an armed program ran */
	u32 step_cnt; /* valid entries of `steps` */
	u64 words[2]; /* what the examples write into their record */
	struct fill fill;
	struct step steps[MAX_STEPS];
	struct outcome outcomes[MAX_STEPS];
};
BPF_ARRAY(control, struct control, 1);

/* The control page if the agent armed this program, which is so for one event only; else NULL. */
static inline struct control *claim_event(void)
{
	int zero = 0;
	struct control *control_page = control.lookup(&zero);

	if (!control_page || !control_page->armed)
		return 0;
	control_page->armed = 0;
	control_page->fired++;
	return control_page;
}

/* The same for program types whose event can come from any process of the system. */
static inline struct control *claim_own_event(void)
{
	int zero = 0;
	struct control *control_page = control.lookup(&zero);

	if (!control_page || bpf_get_current_pid_tgid() >> 32 != control_page->tgid)
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
