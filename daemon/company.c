/* SPDX-License-Identifier: MIT */
/*
 * libbluetooth has the list. It is loaded for the moment of the question alone: its tables would
 * otherwise be the daemon's memory for all its life.
 */
#include "company.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define COMPANY_LIBRARY "libbluetooth.so.3"

/* The last answer: mostly the same controller's is asked for, with each GetAll. */
static struct {
    bool valid;
    uint16_t id;
    char name[128]; /* "": not known */
} last;

static void look_up(uint16_t id)
{
    last.id = id;
    last.name[0] = '\0';
    void *library = dlopen(COMPANY_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    last.valid = library != NULL;
    if (!library)
        return;
    /* ISO C has no conversion from dlsym()'s pointer to a function's. */
    const char *(*name_of)(int id) = NULL;
    void *symbol = dlsym(library, "bt_compidtostr");
    memcpy(&name_of, &symbol, sizeof(name_of));
    const char *text = name_of ? name_of(id) : NULL;
    if (text && strcmp(text, "not assigned") != 0 && strcmp(text, "internal use") != 0)
        snprintf(last.name, sizeof(last.name), "%s", text);
    dlclose(library);
}

const char *company_name(void *ctx, uint16_t id)
{
    (void)ctx;
    if (!last.valid || last.id != id)
        look_up(id);
    return last.name[0] ? last.name : NULL;
}
