/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Load on one ring: each firing makes many reservations, a seeded mix of those that are submitted, those that
 * are discarded and those that must fail. Every call is counted, on its CPU and for its context, so that
 * afterwards all can be accounted for.
 *
 * By bpf_loop, whose callback the verifier walks once: a loop of 128 rounds took it half a second.
 */
#include "elf_object.h"
#include "dynptr_harness.h"

#define OUTER_CNT 256 /* reservations of one firing of the outer program */
#define NESTED_CNT 32 /* and of the perf event */
#define TOO_LARGE (1 << 24) /* one byte more than a dynptr can hold */

#define EINVAL 22
#define E2BIG 7

/*
 * Two contexts that can be at it at the same time on one CPU: the perf event is an interrupt, and may come
 * between a reservation of the outer program and its release.
 */
enum context { OUTER = 0, NESTED = 1, CONTEXTS = 2 };
#define CPUS 128 /* their contexts are told apart by the top byte of an id */

/* The fate of a reservation is drawn by the top byte of its checksum: below these, and above all of them. */
enum fate { SUBMITTED_BELOW = 0xa0, DISCARDED_BELOW = 0xe0, TOO_LARGE_BELOW = 0xf0 /* else bad flags */ };

/* The calls of one context on one CPU. */
struct stream {
	u64 attempts;
	u64 submitted;
	u64 discarded;
	u64 refused;	 /* those that had to fail, and did with the right error */
	u64 full;	 /* those that found no room */
	u64 wrong;	 /* those with any other answer */
	u64 fingerprint; /* sum of the checksums of all that were submitted */
	u64 amid;	 /* firings that came while the other context was holding a reservation */
	u64 holds;	 /* a reservation, right now */
};

struct flood {
	u64 seed; /* what the checksums, and with them the fates, are drawn from */
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
	u64 id; /* number of the attempt; CPU and context in the top byte */
	u64 checksum;
};

/* Who makes the reservations of one firing. */
struct producer {
	void *ring;
	struct stream *stream;
	u64 source;
	u64 seed;
};

/* As in harness/dynptr_harness/guest/experiments/stress_check.py. */
static inline u64 checksum(u64 id, u64 seed)
{
	u64 mixed = (id ^ seed) * 0x9e3779b97f4a7c15;

	return (mixed ^ mixed >> 32) * 0xd6e8feb86659fd93;
}

/* Callback of bpf_loop. */
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

	/* What is compared below is then what is counted with: clang would compare a copy, which v6.1 loses. */
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
