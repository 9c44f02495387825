/* SPDX-License-Identifier: MIT */
#pragma once

/* vector: values of tests/vectors. */

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One value of a file of vectors, turned round into the order of the wire. */
static inline void vector(const char *file, const char *name, uint8_t *ret, size_t n)
{
    char path[512], key[32], hex[128];
    bool found = false;

    snprintf(path, sizeof(path), "%s/%s", getenv("BLED_VECTORS"), file);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "no %s", path);
    char line[256];
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#' || sscanf(line, "%31s %127s", key, hex) != 2 || strcmp(key, name) != 0)
            continue;
        ck_assert_uint_eq(strlen(hex), 2 * n);
        for (size_t i = 0; i < n; i++) {
            char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
            ret[n - 1 - i] = (uint8_t)strtoul(pair, NULL, 16);
        }
        found = true;
    }
    fclose(f);
    ck_assert_msg(found, "no %s in %s", name, path);
}
