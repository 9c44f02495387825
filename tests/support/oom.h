/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * oom: allocations that fail when the test says so. Only what is linked into the test itself is
 * concerned (malloc, calloc, realloc), not the shared libraries. Link with oom_dep. Check is linked
 * in, and its assertions allocate: make none until oom_off().
 *
 *     for (unsigned long n = 1; oom_fail_at(n), !the_procedure(); n++)
 *         expect that nothing leaked and all still works;
 *     oom_off();
 */

/* The nth allocation from now on fails, once. */
void oom_fail_at(unsigned long n);
/* The nth one and every later one fail. */
void oom_fail_from(unsigned long n);
/* None fails any more. */
void oom_off(void);
/* Allocations since oom_fail_at() or oom_fail_from(), those that failed included; oom_off() leaves
 * the number as it is. */
unsigned long oom_count(void);
