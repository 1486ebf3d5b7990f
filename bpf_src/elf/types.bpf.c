/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* VER-162: programs that do nothing, in types that came after the first kernels with a ring buffer. */
#include "elf_object.h"

SEC("raw_tp")
int ver_162_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("syscall")
int ver_162_syscall(void *ctx)
{
	return 0;
}

SEC("lsm_cgroup/socket_bind")
int ver_162_lsm_cgroup(void *ctx)
{
	return 1;
}

SEC("netfilter")
int ver_162_netfilter(void *ctx)
{
	return 1;
}
