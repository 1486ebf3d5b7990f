/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* KFN-028: a reservation as an argument of bpf_verify_pkcs7_signature. */
#include "elf_object.h"
#include "verifier.h"

struct bpf_key { /* libbpf compares it with the definition of the kernel */
	void *key;
};
extern struct bpf_key *bpf_lookup_system_key(u64 id) __ksym;
extern void bpf_key_put(struct bpf_key *key) __ksym;
extern int bpf_verify_pkcs7_signature(struct bpf_dynptr *data, struct bpf_dynptr *signature,
				      struct bpf_key *key) __ksym;

static inline void check(struct bpf_dynptr *data, struct bpf_dynptr *signature)
{
	struct bpf_key *key = bpf_lookup_system_key(0);

	if (!key)
		return;
	bpf_verify_pkcs7_signature(data, signature, key);
	bpf_key_put(key);
}

SEC("lsm.s/bpf")
int kfn_028(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr, local;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &local);
	reserve(&ptr);
	check(&ptr, &local);
	discard(&ptr);
	return 0;
}

SEC("lsm.s/bpf")
int kfn_028_accepted(void *ctx)
{
	void *memory = find_control();
	struct bpf_dynptr ptr, local;

	if (!memory)
		return 0;
	bpf_dynptr_from_mem(memory, 8, 0, &local);
	reserve(&ptr);
	check(&local, &local);
	discard(&ptr);
	return 0;
}
