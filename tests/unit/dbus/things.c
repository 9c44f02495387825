/* SPDX-License-Identifier: MIT */

#include "things.h"

int things_released, things_done, things_canceled, things_dropped;

static void release(struct bus_thing *t)
{
    struct thing *thing = list_entry(t, struct thing, thing);
    thing->order = ++things_released;
    if (!thing->slow)
        bus_thing_remove(t);
}

const struct bus_thing_kind THING_SCAN = {"scans", BUS_RANK_SCAN, release};
const struct bus_thing_kind THING_ADVERT = {"advertisements", BUS_RANK_ADVERT, release};
const struct bus_thing_kind THING_USE = {"connections", BUS_RANK_USE, release};

static void done(struct bus_call *c, const struct bl_event *e)
{
    things_done++;
    if (e->done.status != BL_OK)
        bus_call_fail(c, e->done.status, "doing it");
    else
        bus_call_reply(c, "qsb", 7, "seven", 1);
}

static void cancel(struct bus_call *c)
{
    (void)c;
    things_canceled++;
}

static void drop(struct bus_call *c)
{
    (void)c;
    things_dropped++;
}

static const struct bus_call_kind KIND = {
    .method = "Do",
    .out = "qsb",
    .size = sizeof(struct bus_call),
    .done = done,
    .cancel = cancel,
    .drop = drop,
};

static int again(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    (void)m, (void)userdata, (void)error;
    return 1;
}

int things_call(struct rig *rig, const char *sender, bool wait, bool reply, bl_op op,
                struct bus_call **ret, sd_bus_error *error)
{
    _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    struct bus_call *c;
    static unsigned number = 100000;
    must(sd_bus_message_new_method_call(rig->server, &m, "org.bled", "/org/bled/hci0",
                                        "org.example.None", "Do") >= 0);
    must(sd_bus_message_set_sender(m, sender) >= 0);
    must(sd_bus_message_set_expect_reply(m, reply) >= 0);
    must(sd_bus_message_seal(m, ++number, 0) >= 0);
    int r = bus_enter(rig->a, m, again, 0, NULL, error);
    if (r == 0)
        r = bus_call_new(rig->a, m, &KIND, wait, &c, error);
    if (r != 0)
        return r;
    bus_call_go(c, op);
    rig_run(rig);
    if (ret)
        *ret = c;
    return 0;
}
