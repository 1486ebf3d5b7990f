/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Kfuncs that copy user memory into a reservation of 16 bytes. The program discards a record with unspecified
 * bytes: after a fault, and if the string is shorter than the copy.
 */
#include "elf_object.h"
#include "run.h"

#define SIZE 16
#define EFAULT (-14)

#define KFUNC(NAME) extern int NAME(struct bpf_dynptr *ptr, u64 offset, u64 size, const void *address) __ksym __weak

KFUNC(bpf_copy_from_user_dynptr);
KFUNC(bpf_copy_from_user_str_dynptr);
KFUNC(bpf_probe_read_user_dynptr);
KFUNC(bpf_probe_read_user_str_dynptr);

#define COPY_USER(NAME, KFUNC, OFFSET, LENGTH)                                         \
	SEC("syscall") int NAME(struct run *run)                                       \
	{                                                                              \
		const void *address = (const void *)run->address;                      \
		struct bpf_dynptr ptr;                                                 \
		u8 first[4] = {};                                                      \
                                                                                       \
		run->results[0] = reserve_as(events_map(), SIZE, 0, &ptr);             \
		bpf_dynptr_write(&ptr, 0, "................", SIZE, 0);                 \
		run->results[1] = (s64)KFUNC(&ptr, OFFSET, LENGTH, address);           \
		bpf_dynptr_read(first, sizeof(first), &ptr, OFFSET, 0);                \
		for (u32 i = 0; i < sizeof(first); i++)                                \
			run->results[2 + i] = first[i];                                \
		if (run->results[1] == EFAULT || (run->results[1] > 0 && run->results[1] < LENGTH)) \
			discard(&ptr);                                                 \
		else                                                                   \
			submit(&ptr);                                                  \
		return 0;                                                              \
	}

COPY_USER(copy_from_user, bpf_copy_from_user_dynptr, 4, 8)
COPY_USER(copy_from_user_str, bpf_copy_from_user_str_dynptr, 4, 8)
COPY_USER(probe_read_user, bpf_probe_read_user_dynptr, 4, 8)
COPY_USER(probe_read_user_str, bpf_probe_read_user_str_dynptr, 4, 8)
COPY_USER(copy_from_user_beyond, bpf_copy_from_user_dynptr, 9, 8)
COPY_USER(copy_from_user_str_beyond, bpf_copy_from_user_str_dynptr, 9, 8)
COPY_USER(probe_read_user_beyond, bpf_probe_read_user_dynptr, 9, 8)
COPY_USER(probe_read_user_str_beyond, bpf_probe_read_user_str_dynptr, 9, 8)
