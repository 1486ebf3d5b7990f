/* Programs that the verifier refuses, one for each kind of reason; see tests/refusals/expected.py. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bpf_dynptr);
} dynptrs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} programs SEC(".maps");

#define PROGRAM(name) SEC("raw_tp/sys_enter") int name(void *ctx)

PROGRAM(faultless)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(leak)
{
	struct bpf_dynptr record;

	if (bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record))
		return 0;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

/* The log of the loop does not fit into a buffer of 1 MiB. */
PROGRAM(leak_after_a_loop)
{
	struct bpf_dynptr record;
	__u64 sum = 0;

	for (int i = 0; i < 4000; i++)
		sum += bpf_get_prandom_u32() | i;
	if (bpf_ringbuf_reserve_dynptr(&events, 8, sum & 1, &record))
		return 0;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(slice_of_unknown_length)
{
	struct bpf_dynptr record;
	__u32 length = bpf_get_prandom_u32() & 15;
	char *bytes;

	bpf_ringbuf_reserve_dynptr(&events, 16, 0, &record);
	bytes = bpf_dynptr_data(&record, 0, length);
	if (bytes && length)
		*bytes = 1;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(slice_without_check)
{
	struct bpf_dynptr record;
	__u64 *word;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	word = bpf_dynptr_data(&record, 0, 8);
	*word = 1;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(slice_after_submit)
{
	struct bpf_dynptr record;
	__u64 *word;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	word = bpf_dynptr_data(&record, 0, 8);
	bpf_ringbuf_submit_dynptr(&record, 0);
	if (word)
		*word = 1;
	return 0;
}

PROGRAM(slice_beyond_the_end)
{
	struct bpf_dynptr record;
	__u64 *words;

	bpf_ringbuf_reserve_dynptr(&events, 16, 0, &record);
	words = bpf_dynptr_data(&record, 0, 8);
	if (words)
		words[1] = 1;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(never_reserved)
{
	struct bpf_dynptr record;
	__u64 word = 1;

	bpf_dynptr_write(&record, 0, &word, 8, 0);
	return 0;
}

PROGRAM(submitted_twice)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(reserved_twice)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(dynptr_in_a_map)
{
	__u32 key = 0;
	struct bpf_dynptr *record = bpf_map_lookup_elem(&dynptrs, &key);

	if (!record)
		return 0;
	bpf_ringbuf_reserve_dynptr(&events, 8, 0, record);
	bpf_ringbuf_submit_dynptr(record, 0);
	return 0;
}

PROGRAM(tail_call_with_a_reservation)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_tail_call(ctx, &programs, 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

PROGRAM(dynptr_is_read)
{
	struct bpf_dynptr record;
	__u64 first;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	first = *(volatile __u64 *)&record;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return first & 1;
}

PROGRAM(submitted_as_memory)
{
	struct bpf_dynptr record;
	void *word;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	word = bpf_dynptr_data(&record, 0, 8);
	if (word)
		bpf_ringbuf_submit(word, 0);
	return 0;
}

PROGRAM(endless_loop)
{
	while (1)
		barrier_var(ctx);
	return 0;
}

PROGRAM(reads_beyond_the_stack)
{
	char bytes[400];

	return bpf_probe_read_kernel(bytes, sizeof(bytes) + 200, ctx);
}

PROGRAM(uninitialised_register)
{
	__u64 value;

	asm volatile("%0 = r7" : "=r"(value));
	return value & 1;
}

SEC("raw_tp/sys_enter")
int wild_read(void *ctx)
{
	return *(volatile int *)(long)bpf_get_prandom_u32();
}

extern void *bpf_dynptr_slice(const struct bpf_dynptr *dynptr, __u32 offset, void *buffer, __u32 length) __ksym;

/* A helper takes a read-only slice only from its beginning. */
PROGRAM(end_of_a_read_only_slice)
{
	struct bpf_dynptr record;
	char *bytes;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bytes = bpf_dynptr_slice(&record, 0, 0, 8);
	if (bytes)
		bpf_dynptr_write(&record, 0, bytes + 4, 4, 0);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
