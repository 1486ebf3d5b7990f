/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Records of programs that an exception or a tail call leaves. */
#include "elf_object.h"
#include "run.h"

extern void bpf_throw(u64 cookie) __ksym __weak;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} programs SEC(".maps");

/* Each record is one byte. */
#define RESERVE(PTR) reserve_as(events_map(), 1, 0, PTR)
#define WRITE(VALUE, PTR)                                              \
	({                                                             \
		u8 octet = (VALUE);                                    \
		bpf_dynptr_write(PTR, 0, &octet, sizeof(octet), 0);    \
	})

static __noinline int submit_and_throw(struct bpf_dynptr *ptr)
{
	submit(ptr);
	bpf_throw(0);
	return 0;
}

static __noinline int discard_and_throw(struct bpf_dynptr *ptr)
{
	discard(ptr);
	bpf_throw(0);
	return 0;
}

__noinline int throws_after_submit(u64 number)
{
	struct bpf_dynptr ptr;

	RESERVE(&ptr);
	WRITE(number, &ptr);
	submit(&ptr);
	bpf_throw(0);
	return 0;
}

/* Define a program that reserves and does ACTION, which throws. Its last store must not run. */
#define THROWING(NAME, ACTION)                            \
	SEC("syscall") int NAME(struct run *run)          \
	{                                                 \
		struct bpf_dynptr ptr;                    \
                                                          \
		run->results[0] = RESERVE(&ptr);          \
		WRITE(1, &ptr);                            \
		ACTION;                                   \
		run->results[1] = 1;                      \
		return 0;                                 \
	}

THROWING(throw_in_main, submit(&ptr); bpf_throw(0))
THROWING(throw_in_static, submit_and_throw(&ptr))
THROWING(throw_after_discard, discard_and_throw(&ptr))
THROWING(throw_in_global, submit(&ptr); throws_after_submit(2))

__noinline int writes_a_record(u64 cookie)
{
	struct bpf_dynptr ptr;

	RESERVE(&ptr);
	WRITE(cookie, &ptr);
	submit(&ptr);
	return 0;
}

SEC("syscall")
__attribute__((btf_decl_tag("exception_callback:writes_a_record")))
int throw_to_handler(struct run *run)
{
	struct bpf_dynptr ptr;

	run->results[0] = RESERVE(&ptr);
	WRITE(1, &ptr);
	submit(&ptr);
	bpf_throw(5);
	return 0;
}

/* The target of the tail calls. On older kernels, sleepable programs cannot make tail calls. */
SEC("tc")
int target(struct __sk_buff *skb)
{
	return 7;
}

static __noinline int call_static(struct __sk_buff *skb)
{
	int answer = 1;

	bpf_tail_call(skb, &programs, 0);
	barrier_var(answer); /* so that clang does not take it for the only return value */
	return answer;
}

__noinline int call_global(struct __sk_buff *skb)
{
	int answer = 1;

	bpf_tail_call(skb, &programs, 0);
	barrier_var(answer);
	return answer;
}

/* Define a program that reserves and does ACTION. */
#define TAIL_CALLING(NAME, ACTION)                        \
	SEC("tc") int NAME(struct __sk_buff *skb)         \
	{                                                 \
		struct bpf_dynptr ptr;                    \
                                                          \
		RESERVE(&ptr);                            \
		ACTION;                                   \
		return 0;                                 \
	}

TAIL_CALLING(call_in_static, WRITE(call_static(skb), &ptr); submit(&ptr))
TAIL_CALLING(call_in_global, WRITE(call_global(skb), &ptr); submit(&ptr))
TAIL_CALLING(call_in_main, WRITE(3, &ptr); submit(&ptr); bpf_tail_call(skb, &programs, 0))
