/* A section that libbpf does not know, and one for a kernel function that does not exist. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

SEC("frobnicate")
int of_an_unknown_section(void *ctx)
{
	return 0;
}

SEC("fentry/frobnicate")
int of_an_unknown_function(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_enter")
int faultless(void *ctx)
{
	return 0;
}
