/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Dynptrs to memory, loops, and programs without a reservation. */
#include "verifier.h"

/* VER-110: a release of a dynptr to memory, which needs none. */
PROGRAM
int ver_110_submit(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_110_discard(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &ptr);
	discard(&ptr);
	return 0;
}

PROGRAM
int ver_110_accepted(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr, local;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &local);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* VER-140: a bounded loop. */
PROGRAM
int ver_140(void *ctx)
{
	struct bpf_dynptr ptr;

#pragma clang loop unroll(disable)
	for (int i = 0; i < 10; i++) {
		reserve(&ptr);
		submit(&ptr);
	}
	return 0;
}

/* VER-160: a helper as the first call of a program. */
PROGRAM
int ver_160_write(void *ctx)
{
	struct bpf_dynptr ptr;
	u64 word = 1;

	bpf_dynptr_write(&ptr, 0, &word, sizeof(word), 0);
	return 0;
}

/* VER-152: a program without the helpers. */
PROGRAM
int ver_152_nothing(void *ctx)
{
	return 0;
}
