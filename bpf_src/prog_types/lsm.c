/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LSM: a program on a security hook, here inode_mkdir, which runs before mkdir(2) creates a directory.
 *
 * It returns 0 to allow the event. The kernel's list of LSMs must contain bpf (lsm=...,bpf). Otherwise the program can
 * attach but never runs.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 0;
}

/*
 * The same for the processes of a cgroup, here on the hook socket_create.
 *
 * It returns 1 like the other cgroup programs, to allow the event.
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
	bpf_ringbuf_submit_dynptr(&ptr, 0); /* required even if the reservation failed */
	return 1;
}
