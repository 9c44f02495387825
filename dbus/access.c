/* SPDX-License-Identifier: MIT */

/*
 * access: a filter in front of everything that is dispatched, properties and introspection
 * included, so that no handler has to ask.
 *
 * Unique names are never given twice in a bus's life, so a verdict holds for good; the last few are
 * kept, and a client that was forgotten is asked about again. vm.md has the price of asking on each
 * call; that is also why every member is SD_BUS_VTABLE_UNPRIVILEGED.
 */

#include "access.h"

#include "adapter.h"

#include <errno.h>
#include <unistd.h>

enum { KEPT = 64, NAME_LEN = 24 };

struct bus_access {
    struct bus *bus;
    uid_t uid;
    sd_bus_slot *filter;
    struct {
        char name[NAME_LEN];
        bool allowed;
    } kept[KEPT];
    size_t next;
};

static int ask_euid(sd_bus_message *m, uid_t *ret)
{
    sd_bus_creds *creds = NULL;
    int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);
    if (r >= 0)
        r = sd_bus_creds_get_euid(creds, ret);
    sd_bus_creds_unref(creds);
    return r;
}

static bool allowed(struct bus_access *x, sd_bus_message *m, const char *sender)
{
    for (size_t i = 0; i < KEPT; i++)
        if (strcmp(x->kept[i].name, sender) == 0)
            return x->kept[i].allowed;

    uid_t uid;
    if (ask_euid(m, &uid) < 0)
        return false; /* gone already, most likely; not kept */
    bool verdict = uid == x->uid;
    if (strlen(sender) < NAME_LEN) {
        strcpy(x->kept[x->next].name, sender);
        x->kept[x->next].allowed = verdict;
        x->next = (x->next + 1) % KEPT;
    }
    return verdict;
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct bus_access *x = userdata;
    uint8_t type;
    if (x->bus->options.system || sd_bus_message_get_type(m, &type) < 0 ||
        type != SD_BUS_MESSAGE_METHOD_CALL)
        return 0;
    const char *sender = sd_bus_message_get_sender(m);
    if (!sender || allowed(x, m, sender))
        return 0;
    return bus_error_access(error, "This bled takes calls from uid %u alone.", (unsigned)x->uid);
}

int bus_check_root(struct bus *b, sd_bus_message *m, const char *what, sd_bus_error *error)
{
    uid_t uid;
    if (!b->options.system)
        return 0; /* the daemon's own uid, by the filter */
    int r = ask_euid(m, &uid);
    if (r < 0)
        return bus_error_access(error, "%s is for root, and who calls cannot be found out.", what);
    if (uid != 0)
        return bus_error_access(error, "%s is for root alone.", what);
    return 0;
}

int bus_access_new(struct bus_access **ret, struct bus *b)
{
    struct bus_access *x = calloc(1, sizeof(*x));
    if (!x)
        return -ENOMEM;
    x->bus = b;
    x->uid = geteuid();
    int r = sd_bus_add_filter(b->sd, &x->filter, on_message, x);
    if (r < 0) {
        free(x);
        return r;
    }
    *ret = x;
    return 0;
}

struct bus_access *bus_access_free(struct bus_access *x)
{
    if (!x)
        return NULL;
    sd_bus_slot_unref(x->filter);
    free(x);
    return NULL;
}
