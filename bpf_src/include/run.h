/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The context of a program that user space runs with BPF_PROG_RUN. The kernel copies it back. */
#ifndef RUN_H
#define RUN_H

#include "verifier.h"

#define MAX_RESULTS 7

struct run {
	u64 address; /* of user memory */
	s64 results[MAX_RESULTS];
};

#endif
