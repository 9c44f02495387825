/* SPDX-License-Identifier: MIT */
#pragma once

/* entropy: bytes fit for keys, from the kernel. In the shape of bl_env.random; ctx is not used. */

#include <stddef.h>

/* 0, or -errno with out zeroed. */
int entropy_random(void *ctx, void *out, size_t n);
