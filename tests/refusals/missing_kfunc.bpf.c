/* A kfunc that no kernel has: libbpf does not find it. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern int bpf_dynptr_frobnicate(struct bpf_dynptr *dynptr) __ksym;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

static __noinline int frobnicate(struct bpf_dynptr *record)
{
	return bpf_dynptr_frobnicate(record);
}

SEC("raw_tp/sys_enter")
int calls_it(void *ctx)
{
	struct bpf_dynptr record;

	bpf_ringbuf_reserve_dynptr(&events, 8, 0, &record);
	frobnicate(&record);
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
