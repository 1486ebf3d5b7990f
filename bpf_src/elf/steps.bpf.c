/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The conformance program for libbpf. */
#include "elf_object.h"
#include "../steps.c"
