/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Changes of a packet while a reservation is held. They invalidate only pointers into and slices of the packet. */
#include "elf_object.h"
#include "verifier.h"

extern int bpf_dynptr_from_skb(struct __sk_buff *skb, u64 flags, struct bpf_dynptr *ptr) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, u64 offset, void *buffer, u64 buffer__szk) __ksym
	__weak;

/* VER-220: a slice of the reservation after the change. */
#define CHANGED(NAME, SECTION, CONTEXT, CHANGE)    \
	SEC(SECTION) int NAME(CONTEXT *ctx)        \
	{                                          \
		struct bpf_dynptr ptr;             \
		u8 *slice;                         \
                                                   \
		reserve(&ptr);                     \
		slice = slice_of(&ptr);            \
		CHANGE;                            \
		if (slice)                         \
			STORE_AT(u8, slice, 1);    \
		submit(&ptr);                      \
		return 0;                          \
	}

CHANGED(ver_220_pull, "tc", struct __sk_buff, bpf_skb_pull_data(ctx, 20))
CHANGED(ver_220_store, "tc", struct __sk_buff, bpf_skb_store_bytes(ctx, 0, "ring", 4, 0))
CHANGED(ver_220_xdp, "xdp", struct xdp_md, bpf_xdp_adjust_head(ctx, 4))

__noinline int pull(struct __sk_buff *skb)
{
	return bpf_skb_pull_data(skb, 20);
}

CHANGED(ver_220_global, "tc", struct __sk_buff, pull(ctx))

/* VER-221: a pointer into the packet after the change. */
#define PACKET(NAME, CHANGE)                                       \
	SEC("tc") int NAME(struct __sk_buff *skb)                  \
	{                                                          \
		u8 *packet = (void *)(long)skb->data;              \
		struct bpf_dynptr ptr;                             \
                                                                   \
		if (packet + 1 > (u8 *)(long)skb->data_end)        \
			return 0;                                  \
		reserve(&ptr);                                     \
		CHANGE;                                            \
		KEEP(*(volatile u8 *)packet);                      \
		submit(&ptr);                                      \
		return 0;                                          \
	}

PACKET(ver_221, bpf_skb_pull_data(skb, 20))
PACKET(ver_221_accepted, )

/* VER-222: a pointer into the packet after a change in a global function. */
PACKET(ver_222, pull(skb))

/* VER-223: a slice of the packet after the change, and after the release of a reservation. */
#define PACKET_SLICE(NAME, ACTION)                                             \
	SEC("tc") int NAME(struct __sk_buff *skb)                              \
	{                                                                      \
		struct bpf_dynptr ptr, packet;                                 \
		u8 buffer[RECORD] = {}, *slice;                                \
                                                                               \
		if (bpf_dynptr_from_skb(skb, 0, &packet))                      \
			return 0;                                              \
		slice = bpf_dynptr_slice(&packet, 0, buffer, sizeof(buffer));  \
		reserve(&ptr);                                                 \
		ACTION;                                                        \
		if (slice)                                                     \
			KEEP(*(volatile u8 *)slice);                           \
		return 0;                                                      \
	}

PACKET_SLICE(ver_223, bpf_skb_pull_data(skb, 20); submit(&ptr))
PACKET_SLICE(ver_223_submit, submit(&ptr))
PACKET_SLICE(ver_223_write, bpf_dynptr_write(&ptr, 0, buffer, sizeof(buffer), 0); submit(&ptr))

/* VER-224: a write to the packet from a slice of the reservation. It changes the packet. */
PACKET_SLICE(ver_224, u8 *ring = slice_of(&ptr); if (ring) bpf_dynptr_write(&packet, 0, ring, RECORD, 0);
	     submit(&ptr))

SEC("tc")
int ver_224_accepted(struct __sk_buff *skb)
{
	struct bpf_dynptr ptr, packet;
	u8 *slice;

	if (bpf_dynptr_from_skb(skb, 0, &packet))
		return 0;
	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		bpf_dynptr_write(&packet, 0, slice, RECORD, 0);
	if (slice)
		STORE_AT(u8, slice, 1);
	submit(&ptr);
	return 0;
}
