/* A program that keeps the verifier busy for a minute in an emulated guest. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

/* More instructions than the limit of the verifier. The log has more than 64 MiB. */
SEC("raw_tp/sys_enter")
int too_complex(void *ctx)
{
	__u64 sum = 0;

	for (__u32 i = 0; i < 2000000; i++)
		sum += bpf_get_prandom_u32() & i;
	return sum & 1;
}
