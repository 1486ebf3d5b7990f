/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The conformance program with kfuncs. It holds two reservations, A and B, and D, a clone of A, and accesses them
 * through helpers and kfuncs. The result of a kfunc that the kernel lacks is NO_KFUNC.
 */
#include "elf_object.h"
#include "../steps.c"

#define NO_KFUNC (-38) /* ENOSYS: no kfunc returns it */

/*
 * Sizes and offsets have 64 bits since v6.19 and had 32 before, in the same registers. A kfunc that returns a bool
 * is declared with the width of a register: the kernel sets the lowest byte only.
 */
extern u64 bpf_dynptr_size(const struct bpf_dynptr *ptr) __ksym __weak;
extern u64 bpf_dynptr_is_null(const struct bpf_dynptr *ptr) __ksym __weak;
extern u64 bpf_dynptr_is_rdonly(const struct bpf_dynptr *ptr) __ksym __weak;
extern int bpf_dynptr_adjust(const struct bpf_dynptr *ptr, u64 start, u64 end) __ksym __weak;
extern int bpf_dynptr_clone(const struct bpf_dynptr *ptr, struct bpf_dynptr *clone) __ksym __weak;
extern void *bpf_dynptr_slice(const struct bpf_dynptr *ptr, u64 offset, void *buffer, u64 size) __ksym __weak;
extern int bpf_dynptr_copy(struct bpf_dynptr *to, u64 to_offset, struct bpf_dynptr *from, u64 from_offset,
			   u64 size) __ksym __weak;
extern int bpf_dynptr_memset(struct bpf_dynptr *ptr, u64 offset, u64 size, u8 value) __ksym __weak;
extern int bpf_probe_read_kernel_dynptr(struct bpf_dynptr *ptr, u64 offset, u64 size,
					const void *source) __ksym __weak;

#define BOOL(word) ((s64)((word) & 0xff))
#define CALL(kfunc, ...) (kfunc ? (s64)(kfunc(__VA_ARGS__)) : NO_KFUNC)

/* Return 0 for NULL, 1 for a pointer into the record, 2 for a pointer to the buffer. Copy the bytes to `data`. */
static inline s64 kfunc_slice(struct bpf_dynptr *ptr, struct access *access, u8 *data)
{
	u64 buffer = 0;
	void *slice;

	if (!access->len)
		return bpf_dynptr_slice(ptr, access->offset, 0, 0) ? 1 : 0;
	if (access->op == BUFFER_SLICE)
		slice = bpf_dynptr_slice(ptr, access->offset, &buffer, 8);
	else
		slice = bpf_dynptr_slice(ptr, access->offset, 0, 8);
	if (!slice)
		return 0;
	__builtin_memcpy(data, slice, 8);
	return slice == &buffer ? 2 : 1;
}

/* Test all of r0 after the call. The call clobbers r1 to r5. */
static inline s64 is_null_word(struct bpf_dynptr *ptr)
{
	register struct bpf_dynptr *argument asm("r1") = ptr;
	register s64 answer asm("r0") = -1;

	asm volatile("call %[is_null]"
		     : "+r"(answer), "+r"(argument)
		     : [is_null] "i"(bpf_dynptr_is_null)
		     : "r2", "r3", "r4", "r5", "memory");
	return answer ? 1 : 0;
}

/*
 * The verifier walks the code for a dynptr in every round of the loop, so A, B and D support only the accesses
 * that a case uses.
 */
static inline s64 access_any(struct bpf_dynptr *ptr, struct access *access, u8 *payload)
{
	switch (access->op) {
	case WRITE:
		return write_payload(ptr, access, payload);
	case SIZE:
		return CALL(bpf_dynptr_size, ptr);
	case IS_NULL:
		return bpf_dynptr_is_null ? BOOL(bpf_dynptr_is_null(ptr)) : NO_KFUNC;
	case ADJUST:
		return CALL(bpf_dynptr_adjust, ptr, access->offset, access->len);
	}
	return UNSET;
}

static inline s64 access_a(struct bpf_dynptr *ptr, struct access *access, u8 *payload, u8 *data)
{
	u64 offset = access->offset, len = access->len, flags = access->flags;

	switch (access->op) {
	case READ:
		return read_to(ptr, access, data);
	case SLICE:
		return access->len == 8 ? (slice_dynptr(ptr, offset, 8) ? 1 : 0) : UNSET;
	case IS_NULL_WORD:
		return bpf_dynptr_is_null ? is_null_word(ptr) : NO_KFUNC;
	case IS_RDONLY:
		return bpf_dynptr_is_rdonly ? BOOL(bpf_dynptr_is_rdonly(ptr)) : NO_KFUNC;
	case KFUNC_SLICE:
	case BUFFER_SLICE:
		return bpf_dynptr_slice ? kfunc_slice(ptr, access, data) : NO_KFUNC;
	case MEMSET:
		return CALL(bpf_dynptr_memset, ptr, offset, len, flags);
	case PROBE_READ:
		payload += access->source & (MAX_PAYLOAD - 1);
		if (flags)
			return CALL(bpf_probe_read_kernel_dynptr, ptr, offset, len, (void *)flags);
		return CALL(bpf_probe_read_kernel_dynptr, ptr, offset, len, payload);
	}
	return access_any(ptr, access, payload);
}

static inline s64 access_b(struct bpf_dynptr *ptr, struct access *access, u8 *payload, u8 *data)
{
	if (access->op == READ)
		return read_to(ptr, access, data);
	return access_any(ptr, access, payload);
}

static inline void run_kfunc_step(void *ring, struct step *step, struct outcome *outcome)
{
	struct bpf_dynptr a, b, d;
	struct reservation *slots = step->slots;

	note_position(ring, &outcome->start);
	outcome->reserved[0] = reserve_dynptr(ring, slots[0].size, slots[0].flags, &a);
	note_position(ring, &outcome->after_reserve[0]);
	outcome->reserved[1] = reserve_dynptr(ring, slots[1].size, slots[1].flags, &b);
	note_position(ring, &outcome->after_reserve[1]);
	outcome->cloned = CALL(bpf_dynptr_clone, &a, &d);

#pragma clang loop unroll(disable)
	for (u32 i = 0; i < MAX_ACCESSES; i++) {
		struct access *access = &step->accesses[i];
		u8 *data = outcome->data[i];
		s64 result = NO_KFUNC;

		if (i >= step->access_cnt)
			break;
		if (access->op == COPY && access->slot == 0)
			result = CALL(bpf_dynptr_copy, &a, access->offset, &b, access->flags, access->len);
		else if (access->op == COPY)
			result = CALL(bpf_dynptr_copy, &b, access->offset, &a, access->flags, access->len);
		else if (access->slot == 0)
			result = access_a(&a, access, step->payload, data);
		else if (access->slot == 1)
			result = access_b(&b, access, step->payload, data);
		else if (bpf_dynptr_clone)
			result = access_any(&d, access, step->payload);
		outcome->accessed[i] = result;
	}

	if (bpf_dynptr_clone && step->order == ORDER_DBC)
		release(&d, &slots[0]);
	else
		release(&a, &slots[0]);
	note_position(ring, &outcome->after_release[0]);
	release(&b, &slots[1]);
	note_position(ring, &outcome->after_release[1]);
	note_position(ring, &outcome->after_release[2]);
}

static inline void run_kfunc_steps(struct control *control_page)
{
	void *ring = find_ring();

	if (control_page && ring && control_page->has_step)
		run_kfunc_step(ring, &control_page->step, &control_page->outcome);
}

STEP_PROGRAM(kfunc_steps_own_return_0, run_kfunc_steps(claim_own_event()), 0)
STEP_PROGRAM(kfunc_steps_return_0, run_kfunc_steps(claim_event()), 0)
STEP_PROGRAM(kfunc_steps_return_1, run_kfunc_steps(claim_event()), 1)
STEP_PROGRAM(kfunc_steps_return_2, run_kfunc_steps(claim_event()), 2)
