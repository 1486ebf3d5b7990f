/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* VER-164: callbacks and kfuncs in programs that run in the interpreter. */
#include "elf_object.h"
#include "verifier.h"

struct bpf_key { /* libbpf compares it with the definition of the kernel */
	void *key;
};
extern struct bpf_key *bpf_lookup_system_key(u64 id) __ksym __weak;
extern void bpf_key_put(struct bpf_key *key) __ksym __weak;

static long use_own(u32 i, void *unused)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_164_callback(void *ctx)
{
	return bpf_loop(2, use_own, 0, 0) < 0;
}

PROGRAM
int ver_164_kfunc(void *ctx)
{
	struct bpf_key *key = bpf_lookup_system_key(0);

	if (key)
		bpf_key_put(key);
	return use_own(0, 0);
}

PROGRAM
int ver_164_accepted(void *ctx)
{
	return use_own(0, 0);
}
