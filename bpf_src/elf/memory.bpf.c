/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Sources and destinations of reads and writes, and slices as arguments of helpers. */
#include "elf_object.h"
#include "verifier.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, u64);
	__type(value, u64);
} words SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, u32);
	__type(value, u64);
} constants SEC(".maps");

const volatile u64 constant = 1;
u64 variable;

/* Define a program that reserves, does ACTION with the dynptr and its slice, and submits. */
#define WITH_SLICE(NAME, SECTION, ACTION)      \
	SEC(SECTION) int NAME(void *ctx)       \
	{                                      \
		struct bpf_dynptr ptr;         \
		u64 word = 1, *slice;          \
                                               \
		(void)word;                    \
		reserve_as(events_map(), 16, 0, &ptr); \
		slice = bpf_dynptr_data(&ptr, 0, 16); \
		if (slice) {                   \
			ACTION;                \
		}                              \
		submit(&ptr);                  \
		return 0;                      \
	}

/* VER-170: two arguments of one helper point into one reservation. */
WITH_SLICE(ver_170, "raw_tp", bpf_map_update_elem(&words, slice, slice + 1, 0))
WITH_SLICE(ver_170_key, "raw_tp", bpf_map_update_elem(&words, slice, &word, 0))
WITH_SLICE(ver_170_value, "raw_tp", bpf_map_update_elem(&words, &word, slice, 0))

/* VER-171: two arguments of one helper point into two reservations. */
PROGRAM
int ver_171(void *ctx)
{
	struct bpf_dynptr ptr, other;
	u8 *slice, *other_slice;

	reserve(&ptr);
	reserve(&other);
	slice = slice_of(&ptr);
	other_slice = slice_of(&other);
	if (slice && other_slice)
		bpf_map_update_elem(&words, slice, other_slice, 0);
	submit(&ptr);
	submit(&other);
	return 0;
}

/* VER-172: a packet as the source of a write, and as that of a copy through a slice. */
#define WITH_PACKET(NAME, ACTION)                                            \
	SEC("xdp") int NAME(struct xdp_md *ctx)                              \
	{                                                                    \
		u64 *packet = (void *)(long)ctx->data;                       \
		u64 *end = (void *)(long)ctx->data_end;                      \
		struct bpf_dynptr ptr;                                       \
		u64 *slice;                                                  \
                                                                             \
		if (packet + 1 > end)                                        \
			return XDP_PASS;                                     \
		reserve(&ptr);                                               \
		slice = (u64 *)slice_of(&ptr);                               \
		KEEP(slice);                                                 \
		ACTION;                                                      \
		submit(&ptr);                                                \
		KEEP(*(volatile u64 *)packet);                               \
		return XDP_PASS;                                             \
	}

WITH_PACKET(ver_172, bpf_dynptr_write(&ptr, 0, packet, 8, 0))
WITH_PACKET(ver_172_slice, if (slice) *slice = *packet)

/* VER-173: read-only maps as the destination of a read. */
#define READ_INTO(NAME, MEMORY)                             \
	PROGRAM int NAME(void *ctx)                         \
	{                                                   \
		struct bpf_dynptr ptr;                      \
		u32 zero = 0;                               \
		void *value = MEMORY;                       \
                                                            \
		(void)zero;                                 \
		if (!value)                                 \
			return 0;                           \
		reserve(&ptr);                              \
		bpf_dynptr_read(value, 8, &ptr, 0, 0);      \
		submit(&ptr);                               \
		return 0;                                   \
	}

READ_INTO(ver_173_rodata, (void *)&constant)
READ_INTO(ver_173_map, lookup(&constants, &zero))
READ_INTO(ver_173_accepted, &variable)

/* VER-174: a kernel structure as the source of a write. */
SEC("tp_btf/sched_switch")
int ver_174(u64 *ctx)
{
	struct bpf_dynptr ptr;
	void *task = (void *)ctx[1];

	reserve(&ptr);
	bpf_dynptr_write(&ptr, 0, task, RECORD, 0);
	submit(&ptr);
	return 0;
}

SEC("tp_btf/sched_switch")
int ver_174_probed(u64 *ctx)
{
	struct bpf_dynptr ptr;
	void *task = (void *)ctx[1];
	u8 *slice;

	reserve(&ptr);
	slice = slice_of(&ptr);
	if (slice)
		bpf_probe_read_kernel(slice, RECORD, task);
	submit(&ptr);
	return 0;
}

/* VER-175: the context as the source of a write and the destination of a read. */
WITH_SLICE(ver_175_write, "raw_tp", bpf_dynptr_write(&ptr, 0, ctx, 8, 0))
WITH_SLICE(ver_175_read, "raw_tp", bpf_dynptr_read(ctx, 8, &ptr, 0, 0))
WITH_SLICE(ver_175_accepted, "raw_tp", word = *(u64 *)ctx; bpf_dynptr_write(&ptr, 0, &word, 8, 0))

/* VER-176: other memory as the source of a write. */
static long write_key(void *map, u64 *key, u64 *value, struct bpf_dynptr *ptr)
{
	bpf_dynptr_write(ptr, 0, key, 8, 0);
	bpf_dynptr_write(ptr, 0, value, 8, 0);
	return 0;
}

WITH_SLICE(ver_176_map_key, "raw_tp", bpf_for_each_map_elem(&words, write_key, &ptr, 0))
WITH_SLICE(ver_176_rodata, "raw_tp", bpf_dynptr_write(&ptr, 0, (void *)&constant, 8, 0))
WITH_SLICE(ver_176_variable, "raw_tp", bpf_dynptr_write(&ptr, 0, &variable, 8, 0))

PROGRAM
int ver_176_plain(void *ctx)
{
	void *plain = reserve_plain(events_map(), 8, 0);
	struct bpf_dynptr ptr;

	if (!plain)
		return 0;
	reserve(&ptr);
	bpf_dynptr_write(&ptr, 0, plain, 8, 0);
	submit(&ptr);
	discard_plain(plain, 0);
	return 0;
}

/* VER-177: a slice of the same reservation as source and destination. */
WITH_SLICE(ver_177_write, "raw_tp", bpf_dynptr_write(&ptr, 8, slice, 8, 0))
WITH_SLICE(ver_177_read, "raw_tp", bpf_dynptr_read(slice, 8, &ptr, 8, 0))

/* VER-178: unwritten stack. */
#define WITH_BUFFER(NAME, BUFFER, ACTION)              \
	PROGRAM int NAME(void *ctx)                    \
	{                                              \
		struct bpf_dynptr ptr;                 \
		u32 length = unknown();                \
		u8 buffer[64] BUFFER;                  \
                                                       \
		asm volatile("" : : "r"(buffer));      \
		reserve(&ptr);                         \
		ACTION;                                \
		submit(&ptr);                          \
		return length & 1;                     \
	}

WITH_BUFFER(ver_178_write, , bpf_dynptr_write(&ptr, 0, buffer, 64, 0))
WITH_BUFFER(ver_178_read, , bpf_dynptr_read(buffer, length & 63, &ptr, 0, 0))
WITH_BUFFER(ver_178_write_accepted, = {}, bpf_dynptr_write(&ptr, 0, buffer, 64, 0))
WITH_BUFFER(ver_178_read_accepted, , bpf_dynptr_read(buffer, 64, &ptr, 0, 0))

/* VER-179: lengths without a bound or past the end. */
WITH_BUFFER(ver_179_write, = {}, bpf_dynptr_write(&ptr, 0, buffer, length, 0))
WITH_BUFFER(ver_179_read, = {}, bpf_dynptr_read(buffer, length, &ptr, 0, 0))
WITH_BUFFER(ver_179_beyond, = {}, bpf_dynptr_write(&ptr, 0, buffer, length & 127, 0))
WITH_BUFFER(ver_179_accepted, = {}, bpf_dynptr_write(&ptr, 0, buffer, length & 63, 0);
	    bpf_dynptr_read(buffer, length & 63, &ptr, 0, 0))

/* A load that the verifier rejects if it takes the path. */
#define UNREACHABLE asm volatile("r0 = *(u64 *)(r1 + 0)" : : : "r0", "r1")

/* VER-180: a value on the stack that a read may change. */
#define STALE(NAME, READ)                              \
	PROGRAM int NAME(void *ctx)                    \
	{                                              \
		struct bpf_dynptr ptr;                 \
		u32 length = unknown() & 7;            \
		volatile u64 word = 0;                 \
                                                       \
		reserve(&ptr);                         \
		READ;                                  \
		submit(&ptr);                          \
		if (word)                              \
			UNREACHABLE;                   \
		return length;                         \
	}

STALE(ver_180, bpf_dynptr_read((void *)&word, 8, &ptr, 0, 0))
STALE(ver_180_part, bpf_dynptr_read((u8 *)&word + 7, 1, &ptr, 0, 0))
STALE(ver_180_variable, bpf_dynptr_read((void *)&word, length, &ptr, 0, 0))
STALE(ver_180_accepted, KEEP(word))

/* VER-181: a pointer on the stack that a read overwrites. */
#define STALE_POINTER(NAME, READ)                      \
	PROGRAM int NAME(void *ctx)                    \
	{                                              \
		struct bpf_dynptr ptr;                 \
		u64 *volatile kept = ctx;              \
                                                       \
		reserve(&ptr);                         \
		READ;                                  \
		submit(&ptr);                          \
		return *kept & 1;                      \
	}

STALE_POINTER(ver_181, bpf_dynptr_read((void *)&kept, 8, &ptr, 0, 0))
STALE_POINTER(ver_181_part, bpf_dynptr_read((void *)&kept, 1, &ptr, 0, 0))
STALE_POINTER(ver_181_accepted, )

/* VER-182: a slice whose length depends on the path. The paths join before its use. */
#define BY_PATH(NAME, FIRST, SECOND, INDEX)                              \
	PROGRAM int NAME(void *ctx)                                      \
	{                                                                \
		struct bpf_dynptr ptr;                                   \
		u64 length = FIRST;                                      \
		u8 *slice;                                               \
                                                                         \
		reserve_as(events_map(), 16, 0, &ptr);                   \
		if (unknown())                                           \
			asm volatile("%0 = " #SECOND : "=r"(length));    \
		else                                                     \
			asm volatile("%0 = " #FIRST : "=r"(length));     \
		slice = data_as(&ptr, 0, length);                        \
		if (slice)                                               \
			STORE_AT(u8, slice + INDEX, 1);                  \
		submit(&ptr);                                            \
		return 0;                                                \
	}

BY_PATH(ver_182_short_first, 8, 16, 12)
BY_PATH(ver_182_long_first, 16, 8, 12)
BY_PATH(ver_182_accepted, 16, 8, 4)

/* VER-183: a read of variable length into a read-only map. */
#define READ_PART_INTO(NAME, MEMORY)                                     \
	PROGRAM int NAME(void *ctx)                                      \
	{                                                                \
		struct bpf_dynptr ptr;                                   \
                                                                         \
		reserve(&ptr);                                           \
		bpf_dynptr_read(MEMORY, unknown() & 7, &ptr, 0, 0);      \
		submit(&ptr);                                            \
		return 0;                                                \
	}

READ_PART_INTO(ver_183, (void *)&constant)
READ_PART_INTO(ver_183_accepted, (void *)&variable)

/* VER-184: a global function adds an offset to the pointer to its caller's dynptr. */
__noinline int read_moved(const struct bpf_dynptr *ptr)
{
	u64 word;

	return bpf_dynptr_read(&word, sizeof(word), (void *)ptr + 8, 0, 0);
}

__noinline int read_whole(const struct bpf_dynptr *ptr)
{
	u64 word;

	return bpf_dynptr_read(&word, sizeof(word), (void *)ptr, 0, 0);
}

WITH_SLICE(ver_184, "raw_tp", read_moved(&ptr))
WITH_SLICE(ver_184_accepted, "raw_tp", read_whole(&ptr))

/* VER-185: a value on the stack that bpf_snprintf overwrites while a reservation is held. */
#define PRINTED(NAME, PRINT)                                             \
	PROGRAM int NAME(void *ctx)                                      \
	{                                                                \
		static const char format[] = "%d";                       \
		struct bpf_dynptr ptr;                                   \
		volatile u64 word = 0;                                   \
		u64 number = 1234567;                                    \
                                                                         \
		reserve(&ptr);                                           \
		PRINT;                                                   \
		submit(&ptr);                                            \
		if (word)                                                \
			UNREACHABLE;                                     \
		return 0;                                                \
	}

PRINTED(ver_185, bpf_snprintf((void *)&word, 8, format, &number, 8))
PRINTED(ver_185_accepted, KEEP(format); KEEP(number))
