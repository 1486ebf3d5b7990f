/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The release of reservations: every path must submit or discard a reservation exactly once, even if it failed.
 *
 * The verifier rejects the first program of a pair. It accepts the second one, which is the corrected twin.
 */
#include "verifier.h"

/* VER-001: a reservation that is never released. */
PROGRAM
int ver_001(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return 0;
}

PROGRAM
int ver_001_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-002: two reservations, one released. */
PROGRAM
int ver_002(void *ctx)
{
	struct bpf_dynptr first, second;

	reserve(&first);
	reserve(&second);
	submit(&first);
	return 0;
}

PROGRAM
int ver_002_accepted(void *ctx)
{
	struct bpf_dynptr first, second;

	reserve(&first);
	reserve(&second);
	submit(&first);
	discard(&second);
	return 0;
}

/* VER-003: a release on one path only. */
PROGRAM
int ver_003(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	if (unknown() & 1)
		submit(&ptr);
	return 0;
}

PROGRAM
int ver_003_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	if (unknown() & 1)
		submit(&ptr);
	else
		discard(&ptr);
	return 0;
}

/* VER-004: a return without release after a failed reservation. bpf_ringbuf_reserve allows it. */
PROGRAM
int ver_004(void *ctx)
{
	struct bpf_dynptr ptr;

	if (reserve(&ptr))
		return 0;
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_004_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	if (reserve(&ptr)) {
		discard(&ptr);
		return 0;
	}
	submit(&ptr);
	return 0;
}

/* VER-005: a return without release if there is no slice. */
PROGRAM
int ver_005(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	if (!slice_of(&ptr))
		return 0;
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_005_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	if (!slice_of(&ptr)) {
		discard(&ptr);
		return 0;
	}
	submit(&ptr);
	return 0;
}

/* VER-006, RSV-045: a release of a failed reservation, on the common path or on the error path. */
PROGRAM
int ver_006_common(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word = 1;

	if (reserve(&ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &word, sizeof(word), 0);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_006_on_error(void *ctx)
{
	struct bpf_dynptr ptr;

	if (reserve(&ptr))
		submit(&ptr);
	else
		discard(&ptr);
	return 0;
}

/* VER-007: a submit on one path, a discard on the other. */
PROGRAM
int ver_007(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice) {
		*slice = 1;
		submit(&ptr);
	} else {
		discard(&ptr);
	}
	return 0;
}

/* VER-020: two submits. */
PROGRAM
int ver_020(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_020_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-021: a submit, then a discard. */
PROGRAM
int ver_021(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	discard(&ptr);
	return 0;
}

PROGRAM
int ver_021_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	reserve(&ptr);
	discard(&ptr);
	return 0;
}

/* VER-023: a release without a reservation. */
PROGRAM
int ver_023_submit(void *ctx)
{
	struct bpf_dynptr ptr;

	submit(&ptr);
	return 0;
}

PROGRAM
int ver_023_submit_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_023_discard_zeroed(void *ctx)
{
	struct bpf_dynptr ptr = {};

	discard(&ptr);
	return 0;
}

PROGRAM
int ver_023_discard_zeroed_accepted(void *ctx)
{
	struct bpf_dynptr ptr = {};

	reserve(&ptr);
	discard(&ptr);
	return 0;
}

/* VER-024: a read after the release, or without a reservation. */
PROGRAM
int ver_024_released(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word;

	reserve(&ptr);
	submit(&ptr);
	bpf_dynptr_read(&word, sizeof(word), &ptr, 0, 0);
	return 0;
}

PROGRAM
int ver_024_released_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word;

	reserve(&ptr);
	bpf_dynptr_read(&word, sizeof(word), &ptr, 0, 0);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_024_never_reserved(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word;

	bpf_dynptr_read(&word, sizeof(word), &ptr, 0, 0);
	return 0;
}

/* VER-025: a write or a slice after the release, or without a reservation. */
PROGRAM
int ver_025_write_released(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word = 1;

	reserve(&ptr);
	submit(&ptr);
	bpf_dynptr_write(&ptr, 0, &word, sizeof(word), 0);
	return 0;
}

PROGRAM
int ver_025_data_released(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return !slice_of(&ptr);
}

PROGRAM
int ver_025_data_never_reserved(void *ctx)
{
	struct bpf_dynptr ptr;

	return !slice_of(&ptr);
}

PROGRAM
int ver_025_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word = 1;
	void *slice;

	reserve(&ptr);
	bpf_dynptr_write(&ptr, 0, &word, sizeof(word), 0);
	slice = slice_of(&ptr);
	submit(&ptr);
	return !slice;
}

/* VER-027: a reservation on one path only. */
PROGRAM
int ver_027(void *ctx)
{
	struct bpf_dynptr ptr;

	if (unknown() & 1)
		reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_027_accepted(void *ctx)
{
	struct bpf_dynptr ptr;

	if (unknown() & 1) {
		reserve(&ptr);
		submit(&ptr);
	}
	return 0;
}

/*
 * VER-028: a reservation on one path, a dynptr to memory on the other. The program reads the flag for
 * the path from memory twice. The verifier does not know that both reads return the same value.
 */
PROGRAM
int ver_028(void *ctx)
{
	volatile struct control *page = find_control();
	struct bpf_dynptr ptr;

	if (!page)
		return 0;
	if (page->has_step)
		reserve(&ptr);
	else
		bpf_dynptr_from_mem((void *)page, 8, 0, &ptr);
	if (page->has_step)
		submit(&ptr);
	return 0;
}

PROGRAM
int ver_028_accepted(void *ctx)
{
	volatile struct control *page = find_control();
	struct bpf_dynptr ptr;

	if (!page)
		return 0;
	if (page->has_step) {
		reserve(&ptr);
		submit(&ptr);
	} else {
		bpf_dynptr_from_mem((void *)page, 8, 0, &ptr);
	}
	return 0;
}

/* VER-033: two reservations, released in order and in reverse order. */
PROGRAM
int ver_033_in_order(void *ctx)
{
	struct bpf_dynptr first, second;

	reserve(&first);
	reserve(&second);
	submit(&first);
	submit(&second);
	return 0;
}

PROGRAM
int ver_033_reversed(void *ctx)
{
	struct bpf_dynptr first, second;

	reserve(&first);
	reserve(&second);
	discard(&second);
	submit(&first);
	return 0;
}

/* VER-034: a dynptr is used for another reservation after the release. */
PROGRAM
int ver_034(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	discard(&ptr);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-035: after the release, the stack slots of a dynptr are ordinary memory. */
PROGRAM
int ver_035(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	KEEP(*(volatile u64 *)&ptr);
	return 0;
}
