/* Without sections, for BCC. */
#include "bcc_size.h"

BPF_RINGBUF_OUTPUT(events, 1);

#define bpf_ringbuf_reserve(map, size, flags) (map)
static inline void *events_map(void)
{
	return events.ringbuf_reserve(0);
}
#undef bpf_ringbuf_reserve

int faultless(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(events_map(), SIZE, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

/* BCC replaces only its own functions, so this is the address of a variable. */
int address_of_the_ring(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr((void *)&events, SIZE, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

int unknown_size(void *ctx)
{
	void *record = events.ringbuf_reserve(bpf_get_prandom_u32() & 7);

	if (record)
		events.ringbuf_submit(record, 0);
	return 0;
}

/* The log does not fit into a buffer of 1 MiB. */
int leak_after_a_loop(void *ctx)
{
	struct bpf_dynptr record;
	u64 sum = 0;

#pragma nounroll
	for (int i = 0; i < 4000; i++)
		sum += bpf_get_prandom_u32() | i;
	if (bpf_ringbuf_reserve_dynptr(events_map(), SIZE, sum & 1, &record))
		return 0;
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
