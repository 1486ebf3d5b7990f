/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Included by BCC's helpers.h, which uses nothing of it here. */
