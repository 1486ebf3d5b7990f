/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The programs of cases/overwrite.c for libbpf. */
#include "elf_object.h"
#include "../cases/overwrite.c"
