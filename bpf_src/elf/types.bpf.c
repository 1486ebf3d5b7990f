/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* VER-162: empty programs of types that are newer than the ring buffer. */
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
