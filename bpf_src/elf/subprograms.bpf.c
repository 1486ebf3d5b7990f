/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Reservations and BPF functions. The verifier walks a static function as part of each caller. It walks a global
 * function once, for all possible arguments.
 */
#include "elf_object.h"
#include "verifier.h"

static __noinline int leak(void)
{
	struct bpf_dynptr ptr;

	return reserve(&ptr) != 0;
}

static __noinline int use_own(void)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

static __noinline int submit_it(struct bpf_dynptr *ptr)
{
	submit(ptr);
	return 0;
}

static __noinline int reserve_into(struct bpf_dynptr *ptr)
{
	return reserve(ptr) != 0;
}

__noinline int global_leak(void)
{
	struct bpf_dynptr ptr;

	return reserve(&ptr) != 0;
}

__noinline int global_use_own(void)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

__noinline int global_access(const struct bpf_dynptr *ptr)
{
	u64 word;

	bpf_dynptr_read(&word, sizeof(word), ptr, 0, 0);
	bpf_dynptr_write((void *)ptr, 0, &word, sizeof(word), 0);
	return 0;
}

__noinline int global_take(const struct bpf_dynptr *ptr)
{
	KEEP(ptr);
	return 0;
}

__noinline int global_submit(const struct bpf_dynptr *ptr)
{
	submit((void *)ptr);
	return 0;
}

__noinline int global_reserve_into(const struct bpf_dynptr *ptr)
{
	return reserve((void *)ptr) != 0;
}

__noinline int global_fill(u64 *word)
{
	if (word)
		*word = 1;
	return 0;
}

/* VER-009, VER-010: a function does not release its reservation. */
PROGRAM
int ver_009(void *ctx)
{
	return leak();
}

PROGRAM
int ver_009_accepted(void *ctx)
{
	return use_own();
}

PROGRAM
int ver_010(void *ctx)
{
	return global_leak();
}

/* VER-130: a global function reserves and releases; its caller holds no reservation, or one. */
PROGRAM
int ver_130_alone(void *ctx)
{
	return global_use_own();
}

/* Define a program that reserves, does CALL, and submits. */
#define WITH_CALL(NAME, CALL)           \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		struct bpf_dynptr ptr;  \
                                        \
		reserve(&ptr);          \
		CALL;                   \
		submit(&ptr);           \
		return 0;               \
	}

WITH_CALL(ver_130_holding, global_use_own())

/* VER-057: a slice as memory for a global function. */
WITH_CALL(ver_057, u64 *slice = (u64 *)slice_of(&ptr); if (slice) global_fill(slice))

/* VER-086: static functions release and reserve for their caller. */
PROGRAM
int ver_086_submit(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return submit_it(&ptr);
}

PROGRAM
int ver_086_reserve(void *ctx)
{
	struct bpf_dynptr ptr;
	int error = reserve_into(&ptr);

	submit(&ptr);
	return error;
}

/* VER-087: a global function accesses the dynptr of its caller. VER-088: it releases the dynptr. */
WITH_CALL(ver_087, global_access(&ptr))
WITH_CALL(ver_088_both, global_submit(&ptr))

PROGRAM
int ver_088_callee(void *ctx)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return global_submit(&ptr);
}

/* VER-089: a global function reserves for its caller. */
PROGRAM
int ver_089(void *ctx)
{
	struct bpf_dynptr ptr;
	int error = global_reserve_into(&ptr);

	submit(&ptr);
	return error;
}

/* VER-131: the context instead of a dynptr as the argument. */
PROGRAM
int ver_131(void *ctx)
{
	return global_take(ctx);
}

WITH_CALL(ver_131_accepted, global_take(&ptr))
