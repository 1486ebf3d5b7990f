/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Stress on one ring. Each run makes many reservations: a seeded mix of submits, discards and reservations that
 * must fail. Counters for each CPU and context allow the agent to account for every call.
 *
 * The loop is bpf_loop: the verifier walks its callback once. A plain loop of 128 rounds took it 0.5 s.
 */
#include "elf_object.h"
#include "dynptr_harness.h"

#define OUTER_CNT 256 /* reservations in one run of the outer program */
#define NESTED_CNT 32 /* reservations in one run on a perf event */
#define TOO_LARGE (1 << 24) /* one byte above the maximum of a dynptr */

#define EINVAL 22
#define E2BIG 7

/*
 * Two contexts on one CPU. The perf event is an interrupt: it can run between a reservation of the outer program
 * and its release.
 */
enum context { OUTER = 0, NESTED = 1, CONTEXTS = 2 };
#define CPUS 128 /* the top byte of a record ID encodes CPU and context */

/* The top byte of the checksum selects the fate of a reservation. These are upper limits. */
enum fate { SUBMITTED_BELOW = 0xa0, DISCARDED_BELOW = 0xe0, TOO_LARGE_BELOW = 0xf0 /* else bad flags */ };

/* Counters of one context on one CPU. */
struct stream {
	u64 attempts;
	u64 submitted;
	u64 discarded;
	u64 refused;	 /* failed as expected, with the right error */
	u64 full;	 /* no space in the ring */
	u64 wrong;	 /* any other result */
	u64 fingerprint; /* sum of the checksums of the submitted records */
	u64 amid;	 /* runs while the other context held a reservation */
	u64 holds;	 /* 1 while it holds a reservation */
};

struct flood {
	u64 seed; /* of the checksums, which select the fates */
	struct stream streams[CPUS][CONTEXTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct flood);
} flood SEC(".maps");

struct flood_record {
	u64 id; /* number of the attempt, with CPU and context in the top byte */
	u64 checksum;
};

/* The context of attempt(), for one run. */
struct producer {
	void *ring;
	struct stream *stream;
	u64 source;
	u64 seed;
};

/* The same formula as in harness/dynptr_harness/guest/experiments/stress_check.py. */
static inline u64 checksum(u64 id, u64 seed)
{
	u64 mixed = (id ^ seed) * 0x9e3779b97f4a7c15;

	return (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
}

/* Callback of bpf_loop: one reservation. */
static long attempt(u32 _round, void *context)
{
	struct producer *producer = context;
	struct stream *stream = producer->stream;
	struct bpf_dynptr ptr;
	struct flood_record record;
	u32 size = sizeof(record);
	u64 flags = 0;
	s64 error, expected = 0;
	u8 fate;

	record.id = producer->source << 56 | ++stream->attempts;
	record.checksum = checksum(record.id, producer->seed);
	fate = record.checksum >> 56;
	if (fate >= TOO_LARGE_BELOW) {
		flags = 1;
		expected = -EINVAL;
	} else if (fate >= DISCARDED_BELOW) {
		size = TOO_LARGE;
		expected = -E2BIG;
	}

	error = bpf_ringbuf_reserve_dynptr(producer->ring, size, flags, &ptr);
	stream->holds = 1;
	if (!error)
		error = bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	if (fate < SUBMITTED_BELOW)
		bpf_ringbuf_submit_dynptr(&ptr, 0);
	else
		bpf_ringbuf_discard_dynptr(&ptr, 0);
	stream->holds = 0;

	if (expected && error == expected) {
		stream->refused++;
	} else if (!expected && error == -EINVAL) {
		stream->full++;
	} else if (expected || error) {
		stream->wrong++;
	} else if (fate < SUBMITTED_BELOW) {
		stream->submitted++;
		stream->fingerprint += record.checksum;
	} else {
		stream->discarded++;
	}
	return 0;
}

static inline void produce(enum context context, u32 cnt)
{
	int zero = 0;
	struct flood *page = bpf_map_lookup_elem(&flood, &zero);
	u64 cpu = bpf_get_smp_processor_id();
	struct producer producer = { .ring = find_ring(), .source = cpu * CONTEXTS + context };
	struct stream *streams;

	/* Keep clang from comparing a copy below: the verifier of v6.1 would not apply the limit to `cpu` itself. */
	asm volatile("" : "+r"(cpu));
	if (!page || !producer.ring || cpu >= CPUS)
		return;
	streams = page->streams[cpu];
	streams[context].amid += streams[!context].holds;
	producer.stream = &streams[context];
	producer.seed = page->seed;
	bpf_loop(cnt, attempt, &producer, 0);
}

PROGRAM int flood_outer(void *ctx)
{
	produce(OUTER, OUTER_CNT);
	return 0;
}

PROGRAM int flood_nested(void *ctx)
{
	produce(NESTED, NESTED_CNT);
	return 0;
}
