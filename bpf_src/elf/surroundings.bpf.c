/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservations with maps, locks, tail calls and packets, and in sleepable programs. */
#include "elf_object.h"
#include "verifier.h"

struct pair {
	u64 words[2];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct pair);
} pairs SEC(".maps");

struct locked {
	struct bpf_spin_lock lock;
	u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct locked);
} locks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} programs SEC(".maps");

static u32 zero;
struct bpf_dynptr global_ptr;
const char text[8] = "dynptr";

/* VER-070: a dynptr in a global variable. */
PROGRAM
int ver_070_global(void *ctx)
{
	reserve(&global_ptr);
	submit(&global_ptr);
	return 0;
}

/* VER-102: the bytes of a dynptr as memory for a helper. */
WHILE_HELD(ver_102_strncmp, KEEP(bpf_strncmp((void *)&ptr, 8, text)))
AFTER_RELEASE(ver_102_strncmp_accepted, KEEP(bpf_strncmp((void *)&ptr, 8, text)))

/* VER-103: a dynptr stored in a map. */
PROGRAM
int ver_103(void *ctx)
{
	struct bpf_dynptr ptr;
	u32 key = 0;

	reserve(&ptr);
	bpf_map_update_elem(&pairs, &key, &ptr, 0);
	submit(&ptr);
	return 0;
}

PROGRAM
int ver_103_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u32 key = 0;

	reserve(&ptr);
	submit(&ptr);
	bpf_map_update_elem(&pairs, &key, &ptr, 0);
	return 0;
}

PROGRAM
int ver_103_struct(void *ctx)
{
	struct {
		u64 before;
		struct bpf_dynptr ptr;
	} held = {};
	u32 key = 0;

	reserve(&held.ptr);
	bpf_map_update_elem(&pairs, &key, &held, 0);
	submit(&held.ptr);
	return 0;
}

/* VER-132: a tail call with a reservation. VER-133: a tail call after the release. */
WHILE_HELD(ver_132, bpf_tail_call(ctx, &programs, 0); KEEP(0))
AFTER_RELEASE(ver_133, bpf_tail_call(ctx, &programs, 0); KEEP(0))

/* VER-134: a packet access of classic BPF, which can end the program. */
u64 load_byte(void *skb, u64 offset) asm("llvm.bpf.load.byte");

SEC("socket")
int ver_134(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;
	u64 octet;

	reserve(&ptr);
	octet = load_byte(skb, 0);
	submit(&ptr);
	return octet;
}

SEC("socket")
int ver_134_accepted(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return load_byte(skb, 0);
}

/* VER-136: helper calls under a spin lock. VER-137: a store to a slice under a spin lock. */
#define LOCKED(NAME, BEFORE, INSIDE, AFTER)                                \
	SEC("tc") int NAME(struct __sk_buff *skb)                          \
	{                                                                  \
		struct locked *locked = bpf_map_lookup_elem(&locks, &zero); \
		struct bpf_dynptr ptr;                                     \
		u8 *slice;                                                 \
                                                                           \
		if (!locked)                                               \
			return 0;                                          \
		BEFORE;                                                    \
		bpf_spin_lock(&locked->lock);                              \
		INSIDE;                                                    \
		bpf_spin_unlock(&locked->lock);                            \
		AFTER;                                                     \
		return 0;                                                  \
	}

LOCKED(ver_136_reserve, slice = 0, reserve(&ptr), KEEP(slice); submit(&ptr))
LOCKED(ver_136_submit, slice = 0; reserve(&ptr), submit(&ptr), KEEP(slice))
LOCKED(ver_136_accepted, slice = 0; reserve(&ptr), locked->number++, KEEP(slice); submit(&ptr))
LOCKED(ver_137, reserve(&ptr); slice = slice_of(&ptr), if (slice) *slice = 1, submit(&ptr))

/* VER-139: sleepable programs. */
#define SLEEPABLE(NAME, SECTION)        \
	SEC(SECTION) int NAME(void *ctx) \
	{                               \
		struct bpf_dynptr ptr;  \
                                        \
		reserve(&ptr);          \
		submit(&ptr);           \
		return 0;               \
	}

SLEEPABLE(ver_139_syscall, "syscall")
SLEEPABLE(ver_139_lsm, "lsm.s/file_open")
SLEEPABLE(ver_139_fentry, "fentry.s/bpf_fentry_test1")
