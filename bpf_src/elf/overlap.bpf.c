/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Copies within one reservation. Source and destination overlap in 40 of 48 bytes. */
#include "elf_object.h"
#include "run.h"

#define SIZE 64
#define LENGTH 48
#define DISTANCE 8

extern int bpf_dynptr_copy(struct bpf_dynptr *to, u64 to_offset, struct bpf_dynptr *from, u64 from_offset,
			   u64 size) __ksym __weak;

/* Define a program that fills a reservation with the numbers 0 to 63, and does COPY. */
#define COPY_WITHIN(NAME, COPY)                                   \
	SEC("syscall") int NAME(struct run *run)                  \
	{                                                         \
		struct bpf_dynptr ptr;                            \
		u8 *slice;                                        \
                                                                  \
		run->results[0] = reserve_as(events_map(), SIZE, 0, &ptr); \
		slice = bpf_dynptr_data(&ptr, 0, SIZE);           \
		if (slice) {                                      \
			for (int i = 0; i < SIZE; i++)            \
				slice[i] = i;                     \
			run->results[1] = COPY;                   \
		}                                                 \
		submit(&ptr);                                     \
		return 0;                                         \
	}

COPY_WITHIN(write_forward, bpf_dynptr_write(&ptr, DISTANCE, slice, LENGTH, 0))
COPY_WITHIN(write_backward, bpf_dynptr_write(&ptr, 0, slice + DISTANCE, LENGTH, 0))
COPY_WITHIN(read_forward, bpf_dynptr_read(slice + DISTANCE, LENGTH, &ptr, 0, 0))
COPY_WITHIN(read_backward, bpf_dynptr_read(slice, LENGTH, &ptr, DISTANCE, 0))
COPY_WITHIN(copy_forward, bpf_dynptr_copy(&ptr, DISTANCE, &ptr, 0, LENGTH))
COPY_WITHIN(copy_backward, bpf_dynptr_copy(&ptr, 0, &ptr, DISTANCE, LENGTH))
