/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservations and kfuncs for dynptrs: clones, slices, and others. */
#include "elf_object.h"
#include "verifier.h"

extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, u64 start, u64 end) __ksym __weak;
extern int bpf_dynptr_is_null(const struct bpf_dynptr *ptr) __ksym __weak; /* bool */
extern int bpf_dynptr_is_rdonly(const struct bpf_dynptr *ptr) __ksym __weak; /* bool */
extern u64 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym __weak;
extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr, struct bpf_dynptr *clone) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, u64 offset, void *buffer, u64 buffer__szk) __ksym
	__weak;
extern void *bpf_dynptr_slice_rdwr(const struct bpf_dynptr *ptr, u64 offset, void *buffer,
				   u64 buffer__szk) __ksym __weak;
extern int bpf_dynptr_from_skb(struct __sk_buff *skb, u64 flags, struct bpf_dynptr *ptr) __ksym __weak;
extern void bpf_throw(u64 cookie) __ksym __weak;
extern void bpf_rcu_read_lock(void) __ksym __weak;
extern void bpf_rcu_read_unlock(void) __ksym __weak;
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

/* VER-026: a kfunc after the release. */
#define DEAD(NAME, CALL)                     \
	PROGRAM int NAME(void *ctx)          \
	{                                    \
		struct bpf_dynptr ptr, other; \
                                             \
		KEEP(&other);                \
		reserve(&ptr);               \
		submit(&ptr);                \
		CALL;                        \
		return 0;                    \
	}

DEAD(ver_026_size, bpf_dynptr_size(&ptr))
DEAD(ver_026_adjust, bpf_dynptr_adjust(&ptr, 0, 4))
DEAD(ver_026_is_null, bpf_dynptr_is_null(&ptr))
DEAD(ver_026_is_rdonly, bpf_dynptr_is_rdonly(&ptr))
DEAD(ver_026_clone, bpf_dynptr_clone(&ptr, &other))

PROGRAM
int ver_026_accepted(void *ctx)
{
	struct bpf_dynptr ptr, other;

	reserve(&ptr);
	bpf_dynptr_size(&ptr);
	bpf_dynptr_adjust(&ptr, 0, 4);
	bpf_dynptr_is_null(&ptr);
	bpf_dynptr_is_rdonly(&ptr);
	bpf_dynptr_clone(&ptr, &other);
	submit(&ptr);
	return 0;
}

/* VER-110: a release of a dynptr to a packet, which needs none. */
SEC("tc")
int ver_110_packet(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;

	bpf_dynptr_from_skb(skb, 0, &ptr);
	submit(&ptr);
	return 0;
}

SEC("tc")
int ver_110_packet_accepted(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr, packet;

	bpf_dynptr_from_skb(skb, 0, &packet);
	reserve(&ptr);
	submit(&ptr);
	return 0;
}

/* Define a program that writes to a slice of bpf_dynptr_slice_rdwr. Not every program type may do so. */
#define SLICE_RDWR(NAME, SECTION)                                  \
	SEC(SECTION) int NAME(void *ctx)                           \
	{                                                          \
		struct bpf_dynptr ptr;                             \
		u8 *slice;                                         \
                                                                   \
		reserve(&ptr);                                     \
		slice = bpf_dynptr_slice_rdwr(&ptr, 0, 0, RECORD); \
		if (slice)                                         \
			*slice = 1;                                \
		submit(&ptr);                                      \
		return 1;                                          \
	}

SLICE_RDWR(ver_111_raw_tracepoint, "raw_tp")
SLICE_RDWR(ver_111_tracepoint, "tracepoint")
SLICE_RDWR(ver_111_kprobe, "kprobe")
SLICE_RDWR(ver_111_syscall, "syscall")
SLICE_RDWR(ver_111_socket_filter, "socket")
SLICE_RDWR(ver_111_cgroup_skb, "cgroup_skb/ingress")
SLICE_RDWR(ver_111_lwt_in, "lwt_in")
SLICE_RDWR(ver_112_sched_cls, "tc")
SLICE_RDWR(ver_112_xdp, "xdp")
SLICE_RDWR(ver_112_lwt_xmit, "lwt_xmit")
SLICE_RDWR(ver_112_sk_skb, "sk_skb")
SLICE_RDWR(ver_112_sk_msg, "sk_msg")
SLICE_RDWR(ver_112_cgroup_sockopt, "cgroup/setsockopt")

/* Define a program that does ACTION with a slice of LEN bytes of bpf_dynptr_slice. */
#define SLICE(NAME, LEN, ACTION)                                   \
	PROGRAM int NAME(void *ctx)                                \
	{                                                          \
		struct bpf_dynptr ptr;                             \
		u8 buffer[RECORD] = {};                            \
		u8 *slice;                                         \
                                                                   \
		reserve(&ptr);                                     \
		slice = bpf_dynptr_slice(&ptr, 0, buffer, (LEN));  \
		ACTION;                                            \
		submit(&ptr);                                      \
		return 0;                                          \
	}

/* VER-113: a store to a read-only slice. VER-114: no test for NULL. VER-115: a variable length. */
SLICE(ver_113, RECORD, if (slice) *slice = 1)
SLICE(ver_113_accepted, RECORD, if (slice) KEEP(*(volatile u8 *)slice))
SLICE(ver_114, RECORD, KEEP(*(volatile u8 *)slice))
SLICE(ver_115, unknown() & 7, KEEP(slice))
SLICE(ver_115_unbounded, bpf_ktime_get_ns() & 0x7fffffff, KEEP(slice))

/* VER-116: a slice is used after the release. */
PROGRAM
int ver_116_read(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = bpf_dynptr_slice(&ptr, 0, 0, RECORD);
	submit(&ptr);
	if (slice)
		KEEP(*(volatile u8 *)slice);
	return 0;
}

PROGRAM
int ver_116_read_accepted(void *ctx)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = bpf_dynptr_slice(&ptr, 0, 0, RECORD);
	if (slice)
		KEEP(*(volatile u8 *)slice);
	submit(&ptr);
	return 0;
}

SEC("tc")
int ver_116_write(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr;
	u8 *slice;

	reserve(&ptr);
	slice = bpf_dynptr_slice_rdwr(&ptr, 0, 0, RECORD);
	submit(&ptr);
	if (slice)
		STORE_AT(u8, slice, 1);
	return 0;
}

/* Define a program that reserves, clones, and does ACTION. */
#define CLONED(NAME, ACTION)                      \
	PROGRAM int NAME(void *ctx)               \
	{                                         \
		struct bpf_dynptr ptr, clone;     \
                                                  \
		reserve(&ptr);                    \
		bpf_dynptr_clone(&ptr, &clone);   \
		ACTION;                           \
		return 0;                         \
	}

/* VER-117 to VER-119: a release of the clone only, of both, and of none. */
CLONED(ver_117, submit(&clone))
CLONED(ver_118, submit(&clone); submit(&ptr))
CLONED(ver_119, )

/* VER-120: a clone into a dynptr with a reservation. */
PROGRAM
int ver_120(void *ctx)
{
	struct bpf_dynptr ptr, clone;

	reserve(&ptr);
	reserve(&clone);
	bpf_dynptr_clone(&ptr, &clone);
	submit(&clone);
	submit(&ptr);
	return 0;
}

/* VER-121: after the release of one clone, the others and their slices are invalid. */
CLONED(ver_121_clone, u64 word; submit(&ptr); bpf_dynptr_read(&word, sizeof(word), &clone, 0, 0))
CLONED(ver_121_original, u64 word; submit(&clone); bpf_dynptr_read(&word, sizeof(word), &ptr, 0, 0))
CLONED(ver_121_sibling, struct bpf_dynptr third; u64 word; bpf_dynptr_clone(&ptr, &third); submit(&third);
       bpf_dynptr_read(&word, sizeof(word), &clone, 0, 0))
CLONED(ver_121_slice_of_clone, u8 *slice = slice_of(&clone); if (!slice) {
	submit(&ptr);
	return 0;
} submit(&ptr);
       *slice = 1)
CLONED(ver_121_slice_of_original, u8 *slice = slice_of(&ptr); if (!slice) {
	submit(&clone);
	return 0;
} submit(&clone);
       *slice = 1)
CLONED(ver_121_accepted, u64 word; u8 *slice = slice_of(&clone); if (slice) *slice = 1;
       bpf_dynptr_read(&word, sizeof(word), &clone, 0, 0); submit(&ptr))

/* VER-122: one of original and clone is overwritten, the other one released. */
CLONED(ver_122_store, STORE_AT(u8, &ptr, 0); submit(&clone))
CLONED(ver_122_store_clone, STORE_AT(u8, &clone, 0); submit(&ptr))
CLONED(ver_122_reserve, reserve(&ptr); submit(&clone); submit(&ptr))

/* VER-123: both original and clone are overwritten. */
CLONED(ver_123, STORE_AT(u8, &ptr, 0); STORE_AT(u8, &clone, 0))

/* VER-124: a slice is invalid after its own dynptr is overwritten. */
CLONED(ver_124_overwritten, u8 *slice = slice_of(&ptr); if (!slice) {
	submit(&ptr);
	return 0;
} STORE_AT(u8, &ptr, 0);
       *slice = 1; submit(&clone))
CLONED(ver_124_surviving, u8 *slice = slice_of(&clone); if (!slice) {
	submit(&ptr);
	return 0;
} STORE_AT(u8, &ptr, 0);
       *slice = 1; submit(&clone))

/* VER-135: an exception, with and without a reservation. */
#define THROW(NAME, SECTION, ACTION)            \
	SEC(SECTION) int NAME(void *ctx)        \
	{                                       \
		struct bpf_dynptr ptr;          \
                                                \
		reserve(&ptr);                  \
		ACTION;                         \
		return 0;                       \
	}

THROW(ver_135, "tc", if (unknown()) bpf_throw(0); submit(&ptr))
THROW(ver_135_raw_tracepoint, "raw_tp", if (unknown()) bpf_throw(0); submit(&ptr))
THROW(ver_135_accepted, "tc", submit(&ptr); if (unknown()) bpf_throw(0))

/* VER-138: reservations under an RCU read lock and with preemption disabled. */
PROGRAM
int ver_138_rcu(void *ctx)
{
	struct bpf_dynptr ptr;

	bpf_rcu_read_lock();
	reserve(&ptr);
	submit(&ptr);
	bpf_rcu_read_unlock();
	return 0;
}

PROGRAM
int ver_138_preempt(void *ctx)
{
	struct bpf_dynptr ptr;

	bpf_preempt_disable();
	reserve(&ptr);
	submit(&ptr);
	bpf_preempt_enable();
	return 0;
}
