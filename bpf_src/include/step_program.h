/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * A program that runs a step. A program type loads the one that returns what lets the type's event pass:
 * NAME_return_0, NAME_return_1 or NAME_return_2. NAME_own_return_0 is for types whose event other processes
 * cause too.
 */
#ifndef STEP_PROGRAM_H
#define STEP_PROGRAM_H

#define STEP_PROGRAM(NAME, RUN, RETURN) \
	PROGRAM int NAME(void *ctx)     \
	{                               \
		RUN;                    \
		return RETURN;          \
	}

#endif
