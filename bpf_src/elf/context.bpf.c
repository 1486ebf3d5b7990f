/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The programs of cases/context.c for libbpf. */
#include "elf_object.h"
#include "../cases/context.c"
