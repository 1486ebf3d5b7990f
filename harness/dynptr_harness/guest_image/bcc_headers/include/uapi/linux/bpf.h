/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* BCC brings its own bpf.h under another name. */
