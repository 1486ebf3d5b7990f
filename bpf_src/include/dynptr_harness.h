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

#define MAX_STEPS 5
#define MAX_PAYLOAD 64

/* One reservation: what to ask for, what to write into it, how to let it go. */
struct step {
	u64 size;
	u64 flags;
	u64 release_flags;
	u32 release;	 /* enum release */
	u32 payload_len; /* bytes of `payload` to write at offset 0; also the bytes to read back */
	u8 payload[MAX_PAYLOAD];
};

/* What one reservation did, as the program saw it. Unset fields keep the value the agent put there. */
struct outcome {
	s64 reserved; /* bpf_ringbuf_reserve_dynptr */
	s64 written;  /* bpf_dynptr_write */
	s64 read;     /* bpf_dynptr_read */
	u64 slice;    /* 1 if bpf_dynptr_data(0, 0) gave a pointer, else 0 */
	u64 producer_before;
	u64 producer_reserved;
	u64 producer_released;
	u8 readback[MAX_PAYLOAD];
};

struct control {
	u32 armed;    /* the next event of the agent runs the program, and takes this back to 0 */
	u32 tgid;     /* of the agent */
	u32 fired;    /* how often an armed program ran */
	u32 step_cnt; /* valid entries of `steps` */
	u64 words[2]; /* what the examples write into their record */
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
