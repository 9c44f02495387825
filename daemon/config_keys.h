/* SPDX-License-Identifier: MIT */
#pragma once

/* config_keys: the table of all keys of bled.conf(5), and how their values are read. */

#include "config.h"

struct config_key {
    const char *name;
    /* object: struct config for [daemon], struct config_adapter for [adapter]. NULL, or what is
     * wrong with value, borrowed until the next call; object is then as it was. */
    const char *(*set)(const struct config_key *key, void *object, const char *value);
    size_t offset, size;
    uint32_t min, max;
    const char *hint; /* what a good value looks like */
    bool repeatable;
};

/* *ret_bit: the key's number in its section. */
const struct config_key *config_key_find(bool daemon, const char *name, size_t *ret_bit);
void config_adapter_defaults(struct config_adapter *a);
