/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The first #include of a program that clang compiles to an ELF object, which libbpf loads. It has the definitions
 * that BCC adds to its own programs. ELF objects can have kfuncs, callbacks and global functions; BCC programs
 * cannot.
 */
#ifndef ELF_OBJECT_H
#define ELF_OBJECT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ELF_OBJECT /* for files that BCC compiles too */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

/* As in BCC: an inline function is never a BPF function of its own, which old kernels do not support. */
#define inline inline __attribute__((always_inline))

#ifndef OBJECT_LICENSE
#define OBJECT_LICENSE "Dual MIT/GPL"
#endif
char LICENSE[] SEC("license") = OBJECT_LICENSE;

#endif
