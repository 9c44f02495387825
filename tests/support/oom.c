/* SPDX-License-Identifier: MIT */

/* By the linker's --wrap: calls of malloc in the test's objects come here. */

#include "oom.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static unsigned long oom_n, oom_at;
static bool oom_on, oom_counting;

void oom_fail_at(unsigned long n)
{
    oom_n = 0;
    oom_at = n;
    oom_on = false;
    oom_counting = true;
}

void oom_fail_from(unsigned long n)
{
    oom_fail_at(n);
    oom_on = true;
}

void oom_off(void)
{
    oom_at = 0;
    oom_counting = false;
}

unsigned long oom_count(void)
{
    return oom_n;
}

static bool oom_fails(void)
{
    oom_n += oom_counting;
    if (oom_at == 0 || (oom_on ? oom_n < oom_at : oom_n != oom_at))
        return false;
    errno = ENOMEM;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return oom_fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return oom_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return oom_fails() ? NULL : __real_realloc(p, n);
}
