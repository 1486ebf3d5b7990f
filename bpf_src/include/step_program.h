/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The programs that run a step, one for each return value. The agent loads the program with the value that lets
 * the event of the program type pass. NAME_own_return_0 is for types whose event other processes cause too.
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
