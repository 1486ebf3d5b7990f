/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The programs of cases/release.c for libbpf. */
#include "elf_object.h"
#include "../cases/release.c"
