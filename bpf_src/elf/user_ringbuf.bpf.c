/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* BPF_MAP_TYPE_USER_RINGBUF, which user space fills: the map, and the dynptrs that its callback gets. */
#include "elf_object.h"
#include "verifier.h"

extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, u64 start, u64 end) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, RING_PAGES * 4096);
} from_user SEC(".maps");

/* VER-065: a reservation from a user ring buffer. QRY-009: a query of it. */
PROGRAM
int ver_065(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve_as(&from_user, RECORD, 0, &ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_065_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int qry_009_user(void *ctx)
{
	return query_as(&from_user, BPF_RB_RING_SIZE) != 0;
}

PROGRAM
int qry_009_user_accepted(void *ctx)
{
	return query_as(&events, BPF_RB_RING_SIZE) != 0;
}

static long submit_it(struct bpf_dynptr *ptr, void *unused)
{
	submit(ptr);
	return 0;
}

static long discard_it(struct bpf_dynptr *ptr, void *unused)
{
	discard(ptr);
	return 0;
}

static long reserve_into(struct bpf_dynptr *ptr, void *unused)
{
	reserve(ptr);
	return 0;
}

static long relay(struct bpf_dynptr *ptr, void *unused)
{
	struct bpf_dynptr copy;
	u64 word = 0;

	bpf_dynptr_read(&word, sizeof(word), ptr, 0, 0);
	reserve(&copy);
	bpf_dynptr_write(&copy, 0, &word, sizeof(word), 0);
	submit(&copy);
	return 0;
}

static long adjust(struct bpf_dynptr *ptr, void *unused)
{
	bpf_dynptr_adjust(ptr, 0, 4);
	return 0;
}

#define DRAIN(NAME, CALLBACK)                                                  \
	PROGRAM int NAME(void *ctx)                                            \
	{                                                                      \
		return bpf_user_ringbuf_drain(&from_user, CALLBACK, 0, 0) < 0; \
	}

/*
 * The callback gets a dynptr. VER-125: it releases it. VER-126: it reserves into it. VER-127: it copies the data to
 * a reservation. VER-128: it adjusts it.
 */
DRAIN(ver_125_submit, submit_it)
DRAIN(ver_125_discard, discard_it)
DRAIN(ver_126, reserve_into)
DRAIN(ver_127, relay)
DRAIN(ver_128, adjust)
