/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The programs of cases/release.c once more, for libbpf. */
#include "elf_object.h"
#include "../cases/release.c"
