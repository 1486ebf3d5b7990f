/* A ring without max_entries: the kernel does not create it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
} no_size SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

SEC("raw_tp/sys_enter")
int uses_it(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&no_size, 8, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}

SEC("raw_tp/sys_enter")
int faultless(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	bpf_ringbuf_submit_dynptr(&record, 0);
	return 0;
}
