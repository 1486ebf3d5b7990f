/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* BCC's headers compare with this; the programs here do not depend on the version of the kernel. */
#define KERNEL_VERSION(a, b, c) (((a) << 16) + ((b) << 8) + ((c) > 255 ? 255 : (c)))
#define LINUX_VERSION_CODE KERNEL_VERSION(6, 1, 0)
