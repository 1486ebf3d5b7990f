/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The conformance program: it runs the step in the control page and stores the results of the helpers there. It
 * is the same for every program type, except for its return value.
 */
#include "dynptr_harness.h"
#include "step_program.h"

/*
 * Declared with 64-bit arguments, to pass all bits of a register to a helper. With the u32 of
 * include/uapi/linux/bpf.h, clang would truncate them before the call.
 */
static long (*reserve_dynptr)(void *ringbuf, u64 size, u64 flags, struct bpf_dynptr *ptr) =
	(void *)BPF_FUNC_ringbuf_reserve_dynptr;
static long (*write_dynptr)(struct bpf_dynptr *ptr, u64 offset, void *src, u64 len, u64 flags) =
	(void *)BPF_FUNC_dynptr_write;
static long (*read_dynptr)(void *dst, u64 len, struct bpf_dynptr *ptr, u64 offset, u64 flags) =
	(void *)BPF_FUNC_dynptr_read;
static void *(*slice_dynptr)(struct bpf_dynptr *ptr, u64 offset, u64 len) = (void *)BPF_FUNC_dynptr_data;
static void *(*plain_reserve)(void *ringbuf, u64 size, u64 flags) = (void *)BPF_FUNC_ringbuf_reserve;
static void (*plain_discard)(void *data, u64 flags) = (void *)BPF_FUNC_ringbuf_discard;
static long (*plain_output)(void *ringbuf, void *data, u64 size, u64 flags) = (void *)BPF_FUNC_ringbuf_output;
static u64 (*query)(void *ringbuf, u64 flags) = (void *)BPF_FUNC_ringbuf_query;

static inline void note_position(void *ring, struct position *position)
{
	position->available = query(ring, BPF_RB_AVAIL_DATA);
	position->consumer = query(ring, BPF_RB_CONS_POS);
	position->producer = query(ring, BPF_RB_PROD_POS);
}

static inline void release(struct bpf_dynptr *ptr, struct reservation *reservation)
{
	if (reservation->release == DISCARD)
		bpf_ringbuf_discard_dynptr(ptr, reservation->release_flags);
	else
		bpf_ringbuf_submit_dynptr(ptr, reservation->release_flags);
}

/*
 * The length of a slice must be a constant for the verifier. The empty assembly prevents clang from merging the
 * calls into one with a variable length.
 */
#define SLICE_CASE(LEN)               \
	case LEN:                     \
		asm volatile("" ::"i"(LEN)); \
		return slice_dynptr(ptr, offset, LEN) ? 1 : 0;

static inline s64 slice_of(struct bpf_dynptr *ptr, struct access *access)
{
	u64 offset = access->offset;

	switch (access->len) {
		SLICE_CASE(0)
		SLICE_CASE(1)
		SLICE_CASE(4)
		SLICE_CASE(8)
		SLICE_CASE(16)
		SLICE_CASE(17)
	}
	return UNSET;
}

#define WRITE_BY_SLICE(LEN)                                         \
	{                                                           \
		u8 *slice = slice_dynptr(ptr, access->offset, LEN); \
                                                                    \
		if (!slice)                                         \
			return 0;                                   \
		__builtin_memcpy(slice, payload, LEN);              \
		return 1;                                           \
	}

static inline s64 write_by_slice(struct bpf_dynptr *ptr, struct access *access, u8 *payload)
{
	if (access->len == 4)
		WRITE_BY_SLICE(4)
	if (access->len == 16)
		WRITE_BY_SLICE(16)
	return UNSET;
}

static inline s64 write_payload(struct bpf_dynptr *ptr, struct access *access, u8 *payload)
{
	u64 len = access->len;

	if (len > MAX_PAYLOAD)
		len = MAX_PAYLOAD;
	return write_dynptr(ptr, access->offset, payload + (access->source & (MAX_PAYLOAD - 1)), len, access->flags);
}

static inline s64 read_to(struct bpf_dynptr *ptr, struct access *access, u8 *data)
{
	u64 len = access->len;

	if (len > MAX_PAYLOAD)
		len = MAX_PAYLOAD;
	return read_dynptr(data, len, ptr, access->offset, access->flags);
}

static inline s64 access_dynptr(struct bpf_dynptr *ptr, struct access *access, u8 *payload, u8 *data)
{
	switch (access->op) {
	case WRITE:
		return write_payload(ptr, access, payload);
	case READ:
		return read_to(ptr, access, data);
	case SLICE:
		return slice_of(ptr, access);
	case SLICE_WRITE:
		return write_by_slice(ptr, access, payload + (access->source & (MAX_PAYLOAD - 1)));
	}
	return UNSET;
}

static inline s64 access_ring(void *ring, struct access *access, u8 *payload)
{
	void *reserved;

	if (access->op == QUERY)
		return query(ring, access->flags);
	if (access->op == PLAIN_OUTPUT)
		return plain_output(ring, payload, 8, access->flags);
	reserved = plain_reserve(ring, 8, access->flags);
	if (!reserved)
		return 0;
	plain_discard(reserved, 0);
	return 1;
}

/*
 * Run one step. The verifier requires the release of a dynptr even if its reservation failed. A supports every
 * access, B and C only WRITE: the verifier walks the code of an access in every round of the loop.
 */
static inline void run_step(void *ring, struct step *step, struct outcome *outcome)
{
	struct bpf_dynptr a, b, c;
	struct reservation *slots = step->slots;
	struct position *released = outcome->after_release;

	note_position(ring, &outcome->start);
	outcome->reserved[0] = reserve_dynptr(ring, slots[0].size, slots[0].flags, &a);
	note_position(ring, &outcome->after_reserve[0]);
	outcome->reserved[1] = reserve_dynptr(ring, slots[1].size, slots[1].flags, &b);
	note_position(ring, &outcome->after_reserve[1]);
	outcome->reserved[2] = reserve_dynptr(ring, slots[2].size, slots[2].flags, &c);
	note_position(ring, &outcome->after_reserve[2]);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MAX_ACCESSES; i++) {
		struct access *access = &step->accesses[i];
		s64 result;

		if (i >= step->access_cnt)
			break;
		if (access->op >= QUERY)
			result = access_ring(ring, access, step->payload);
		else if (access->slot == 0)
			result = access_dynptr(&a, access, step->payload, outcome->data[i]);
		else if (access->op != WRITE)
			result = UNSET;
		else if (access->slot == 1)
			result = write_payload(&b, access, step->payload);
		else
			result = write_payload(&c, access, step->payload);
		outcome->accessed[i] = result;
	}

#define RELEASE_IN_ORDER(X, X_SLOT, Y, Y_SLOT, Z, Z_SLOT) \
	release(&X, &slots[X_SLOT]);                      \
	note_position(ring, &released[0]);                \
	release(&Y, &slots[Y_SLOT]);                      \
	note_position(ring, &released[1]);                \
	release(&Z, &slots[Z_SLOT]);                      \
	note_position(ring, &released[2]);

	switch (step->order) {
	case ORDER_ACB:
		RELEASE_IN_ORDER(a, 0, c, 2, b, 1)
		break;
	case ORDER_BAC:
		RELEASE_IN_ORDER(b, 1, a, 0, c, 2)
		break;
	case ORDER_BCA:
		RELEASE_IN_ORDER(b, 1, c, 2, a, 0)
		break;
	case ORDER_CAB:
		RELEASE_IN_ORDER(c, 2, a, 0, b, 1)
		break;
	case ORDER_CBA:
		RELEASE_IN_ORDER(c, 2, b, 1, a, 0)
		break;
	default:
		RELEASE_IN_ORDER(a, 0, b, 1, c, 2)
	}
}

static inline void run_fill(void *ring, struct fill *fill)
{
#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MAX_FILL; i++) {
		struct bpf_dynptr ptr;
		s64 error;

		if (i >= fill->cnt)
			break;
		error = reserve_dynptr(ring, fill->each.size, fill->each.flags, &ptr);
		release(&ptr, &fill->each);
		if (error) {
			fill->error = error;
			break;
		}
		fill->granted++;
	}
}

static inline void run_steps(struct control *control_page)
{
	void *ring = find_ring();

	if (!control_page || !ring)
		return;
	run_fill(ring, &control_page->fill);
	if (control_page->has_step)
		run_step(ring, &control_page->step, &control_page->outcome);
}

STEP_PROGRAM(steps_own_return_0, run_steps(claim_own_event()), 0)
STEP_PROGRAM(steps_return_0, run_steps(claim_event()), 0)
STEP_PROGRAM(steps_return_1, run_steps(claim_event()), 1)
STEP_PROGRAM(steps_return_2, run_steps(claim_event()), 2)
