/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The first #include of a program that clang compiles to an ELF object, for libbpf to load: what BCC brings
 * along by itself. Such programs can have what BCC knows nothing of: kfuncs, callbacks, global functions.
 */
#ifndef ELF_OBJECT_H
#define ELF_OBJECT_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define ELF_OBJECT /* asked for by what is compiled in both ways */

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;

/* As BCC does it: what is called inline makes no call that an old kernel would not know. */
#define inline inline __attribute__((always_inline))

#ifndef OBJECT_LICENSE
#define OBJECT_LICENSE "Dual MIT/GPL"
#endif
char LICENSE[] SEC("license") = OBJECT_LICENSE;

#endif
