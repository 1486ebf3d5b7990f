/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LSM: a program on a security hook, here inode_mkdir, which the kernel asks before it makes a folder.
 *
 * It answers 0: the folder may be made. The kernel must run with bpf in its list of LSMs (lsm=...,bpf),
 * otherwise the program attaches and is never run.
 */
#include "dynptr_harness.h"

int lsm_example(unsigned long long *ctx)
{
	struct control *control_page = claim_own_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 0;
	fill_record(&record, control_page, BPF_PROG_TYPE_LSM);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 0;
}

/*
 * The same for a cgroup, here on the hook socket_create: asked of the processes in it only.
 *
 * There the answer is that of programs for cgroups: 1, it may be done.
 */
int lsm_cgroup_example(unsigned long long *ctx)
{
	struct control *control_page = claim_own_event();
	struct record record = {};
	struct bpf_dynptr ptr;

	if (!control_page)
		return 1;
	fill_record(&record, control_page, BPF_PROG_TYPE_LSM);

	if (bpf_ringbuf_reserve_dynptr(events_map(), sizeof(record), 0, &ptr) == 0)
		bpf_dynptr_write(&ptr, 0, &record, sizeof(record), 0);
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* owed even when the reservation failed */
	return 1;
}
