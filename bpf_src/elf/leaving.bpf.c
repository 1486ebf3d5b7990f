/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Exits from a function, its callers or the whole program while a reservation is held. An exception unwinds all
 * frames. The target of a tail call replaces the function and returns to its caller.
 */
#include "elf_object.h"
#include "verifier.h"

extern void bpf_throw(u64 cookie) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} programs SEC(".maps");

static __noinline int throws_static(void)
{
	if (unknown())
		bpf_throw(0);
	return 0;
}

__noinline int throws_global(int unused)
{
	if (unknown())
		bpf_throw(0);
	return unused;
}

__noinline int calls_throwing_global(int number)
{
	return throws_global(number) + 1;
}

static __noinline int calls_throwing_global_static(int number)
{
	return throws_global(number) + 1;
}

static __noinline int submit_static(struct bpf_dynptr *ptr)
{
	submit(ptr);
	return 0;
}

static __noinline int submit_and_throw(struct bpf_dynptr *ptr)
{
	submit(ptr);
	if (unknown())
		bpf_throw(0);
	return 0;
}

static __noinline int throw_and_submit(struct bpf_dynptr *ptr)
{
	if (unknown())
		bpf_throw(0);
	submit(ptr);
	return 0;
}

__noinline int throws_while_holding(int number)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	if (unknown())
		bpf_throw(0);
	submit(&ptr);
	return number;
}

__noinline int throws_after_release(int number)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	if (unknown())
		bpf_throw(0);
	return number;
}

static long throws_in_callback(u32 i, void *unused)
{
	if (unknown())
		bpf_throw(0);
	return 0;
}

static long calls_throwing_static(u32 i, void *unused)
{
	return throws_static();
}

static long calls_global_that_throws(u32 i, void *unused)
{
	return throws_global(1) == 5;
}

static long returns(u32 i, void *unused)
{
	return 0;
}

/* Define a program that reserves, does ACTION, and returns. */
#define HOLDING(NAME, ACTION)                      \
	SEC("tc") int NAME(struct __sk_buff *skb)  \
	{                                          \
		struct bpf_dynptr ptr;             \
                                                   \
		reserve(&ptr);                     \
		ACTION;                            \
		return 0;                          \
	}

/* VER-200: an exception in a static function. */
HOLDING(ver_200, throws_static(); submit(&ptr))
HOLDING(ver_200_before_release, throw_and_submit(&ptr))
HOLDING(ver_200_accepted, submit(&ptr); throws_static())

/* VER-201: an exception after the release in a static function. */
HOLDING(ver_201, submit_and_throw(&ptr))
HOLDING(ver_201_two_calls, submit_static(&ptr); throws_static())

/* VER-202: an exception in a global function. */
HOLDING(ver_202, throws_global(1); submit(&ptr))
HOLDING(ver_202_through_static, calls_throwing_global_static(1); submit(&ptr))
HOLDING(ver_202_through_global, calls_throwing_global(1); submit(&ptr))
HOLDING(ver_202_accepted, submit(&ptr); calls_throwing_global(1))

/* VER-203: an exception in a global function with its own reservation. */
HOLDING(ver_203, submit(&ptr); throws_while_holding(1))
HOLDING(ver_203_accepted, submit(&ptr); throws_after_release(1))

/* VER-204: an exception in a callback, with and without a reservation. */
HOLDING(ver_204, bpf_loop(2, throws_in_callback, 0, 0); submit(&ptr))
HOLDING(ver_204_through_static, bpf_loop(2, calls_throwing_static, 0, 0); submit(&ptr))
HOLDING(ver_204_released, submit(&ptr); bpf_loop(2, throws_in_callback, 0, 0))
HOLDING(ver_204_released_through_global, submit(&ptr); bpf_loop(2, calls_global_that_throws, 0, 0))
HOLDING(ver_204_accepted, bpf_loop(2, returns, 0, 0); submit(&ptr); throws_static())

static __noinline int tail_call_static(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, 0);
	return 1;
}

__noinline int tail_call_global(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &programs, 0);
	return 1;
}

static __noinline int tail_call_holding(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	bpf_tail_call(skb, &programs, 0);
	submit(&ptr);
	return 1;
}

static __noinline int tail_call_released(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	bpf_tail_call(skb, &programs, 0);
	return 1;
}

__noinline int tail_call_holding_global(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	bpf_tail_call(skb, &programs, 0);
	submit(&ptr);
	return 1;
}

static __noinline int tail_call_and_submit(struct __sk_buff *skb, struct bpf_dynptr *ptr)
{
	bpf_tail_call(skb, &programs, 0);
	submit(ptr);
	return 1;
}

static __noinline int submit_and_tail_call(struct __sk_buff *skb, struct bpf_dynptr *ptr)
{
	submit(ptr);
	bpf_tail_call(skb, &programs, 0);
	return 1;
}

static long tail_call_in_callback(u32 i, struct __sk_buff **skb)
{
	bpf_tail_call(*skb, &programs, 0);
	return 0;
}

/* VER-206: a tail call in a function whose caller holds a reservation. The target returns to the caller. */
HOLDING(ver_206_static, tail_call_static(skb); submit(&ptr))
HOLDING(ver_206_slice, u8 *slice = slice_of(&ptr); int answer = tail_call_static(skb);
	if (slice) *slice = answer; submit(&ptr))
HOLDING(ver_206_global, tail_call_global(skb); submit(&ptr))

/* VER-207: a tail call in a static function with its own reservation. */
HOLDING(ver_207, submit(&ptr); tail_call_holding(skb))
HOLDING(ver_207_accepted, submit(&ptr); tail_call_released(skb))

/* VER-208: a tail call in a global function with its own reservation. */
HOLDING(ver_208, submit(&ptr); tail_call_holding_global(skb))
HOLDING(ver_208_accepted, submit(&ptr); tail_call_global(skb))

/* VER-209: a release of the caller's reservation after the tail call. */
HOLDING(ver_209, tail_call_and_submit(skb, &ptr))
HOLDING(ver_209_accepted, submit_and_tail_call(skb, &ptr))

/* VER-205: a tail call in a callback, with and without a reservation. */
HOLDING(ver_205, struct __sk_buff *context = skb; bpf_loop(2, tail_call_in_callback, &context, 0); submit(&ptr))
HOLDING(ver_205_released, struct __sk_buff *context = skb; submit(&ptr);
	bpf_loop(2, tail_call_in_callback, &context, 0))
HOLDING(ver_205_accepted, bpf_loop(2, returns, 0, 0); tail_call_static(skb); submit(&ptr))

#define EXCEPTION_CALLBACK(NAME) __attribute__((btf_decl_tag("exception_callback:" #NAME)))

__noinline int reserves_and_submits(u64 cookie)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return 0;
}

__noinline int forgets(u64 cookie)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	return 0;
}

/* VER-210: a reservation in the callback of exceptions. */
SEC("tc")
EXCEPTION_CALLBACK(forgets)
int ver_210(struct __sk_buff *skb)
{
	bpf_throw(0);
	return 0;
}

SEC("tc")
EXCEPTION_CALLBACK(reserves_and_submits)
int ver_210_accepted(struct __sk_buff *skb)
{
	bpf_throw(0);
	return 0;
}

/* BPF_LD_ABS. It leaves its function if the packet is too short. */
u64 load_byte(void *skb, u64 offset) asm("llvm.bpf.load.byte");

static __noinline int load_holding(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;
	u64 octet;

	reserve(&ptr);
	octet = load_byte(skb, 0);
	submit(&ptr);
	return octet;
}

static __noinline int load_released(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	reserve(&ptr);
	submit(&ptr);
	return load_byte(skb, 0);
}

/* VER-211: BPF_LD_ABS in a static function with its own reservation. */
HOLDING(ver_211, submit(&ptr); return load_holding(skb))
HOLDING(ver_211_accepted, submit(&ptr); return load_released(skb))

/* VER-212: BPF_LD_ABS in a static function whose caller holds a reservation. */
HOLDING(ver_212, int octet = load_released(skb); submit(&ptr); return octet)

extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;

/* VER-213: an exception in a static function that is called in a region that the program must not leave. */
HOLDING(ver_213_preempt, submit(&ptr); bpf_preempt_disable(); throws_static(); bpf_preempt_enable())
HOLDING(ver_213_rcu, submit(&ptr); bpf_rcu_read_lock(); throws_static(); bpf_rcu_read_unlock())
HOLDING(ver_213_accepted, submit(&ptr); bpf_rcu_read_lock(); bpf_rcu_read_unlock(); throws_static())

extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr, struct bpf_dynptr *clone) __ksym __weak;

static __noinline int overwrite(struct bpf_dynptr *ptr)
{
	STORE_AT(u64, ptr, 0);
	return 0;
}

static __noinline int submit_clone(struct bpf_dynptr *ptr)
{
	struct bpf_dynptr clone;

	bpf_dynptr_clone(ptr, &clone);
	submit(&clone);
	return 0;
}

/* VER-214: an overwrite of the caller's dynptr, with and without a clone. */
HOLDING(ver_214, struct bpf_dynptr clone; bpf_dynptr_clone(&ptr, &clone); overwrite(&ptr); submit(&clone))
HOLDING(ver_214_last, overwrite(&ptr))
HOLDING(ver_214_accepted, submit_clone(&ptr))

static __noinline int submit_original(struct bpf_dynptr *ptr)
{
	struct bpf_dynptr clone;

	bpf_dynptr_clone(ptr, &clone);
	submit(ptr);
	return bpf_dynptr_write(&clone, 0, &(u8){ 1 }, 1, 0);
}

static __noinline int write_and_submit_original(struct bpf_dynptr *ptr)
{
	struct bpf_dynptr clone;

	bpf_dynptr_clone(ptr, &clone);
	bpf_dynptr_write(&clone, 0, &(u8){ 1 }, 1, 0);
	submit(ptr);
	return 0;
}

/* VER-215: the use of a dynptr after the release of its clone in the frame of another function. */
HOLDING(ver_215_clone, submit_original(&ptr))
HOLDING(ver_215_original, submit_clone(&ptr); bpf_dynptr_write(&ptr, 0, &(u8){ 1 }, 1, 0))
HOLDING(ver_215_accepted, write_and_submit_original(&ptr))
