/* A GPL-only helper in a program without the GPL. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Proprietary";

SEC("raw_tp/sys_enter")
int not_under_the_gpl(void *ctx)
{
	return bpf_probe_read_kernel(&ctx, 8, ctx);
}
