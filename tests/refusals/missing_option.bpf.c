/* A kernel option that no kernel has: libbpf does not find it in the kernel configuration. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

extern unsigned long CONFIG_FROBNICATE_BYTES __kconfig;

SEC("raw_tp/sys_enter")
int reads_it(void *ctx)
{
	return CONFIG_FROBNICATE_BYTES & 1;
}

SEC("raw_tp/sys_enter")
int faultless(void *ctx)
{
	return 0;
}
