/* SPDX-License-Identifier: MIT */
#pragma once

/* cleanup: owners that are locals free themselves. `_cleanup_(f) T x` calls f(&x) on scope exit. */

#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

static inline void cleanup_free_p(void *p)
{
    free(*(void **)p);
}

#define _cleanup_free_ _cleanup_(cleanup_free_p)

/* Gives ownership away: the value, with the variable set to NULL. */
#define steal_ptr(p)                                                                               \
    __extension__({                                                                                \
        __typeof__(p) _stolen = (p);                                                               \
        (p) = NULL;                                                                                \
        _stolen;                                                                                   \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
