/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* BCC refuses to declare its maps without this. */
#define CONFIG_BPF_SYSCALL 1
