/* SPDX-License-Identifier: MIT */

/* What goes wrong on demand, and the list of what hosts did wrong unasked. */

#include "air/air_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct air_ctrl *faults_ctrl(const struct bl_air *air, int i)
{
    return i >= 0 && i < air->n_ctrl ? air->ctrl[i] : NULL;
}

static int faults_add(struct list *faults, struct air_fault fault)
{
    struct air_fault *f = malloc(sizeof(*f));

    if (!f)
        return -ENOMEM;
    *f = fault;
    list_append(faults, &f->link);
    return 0;
}

bool bl_air_fault_take(struct list *faults, uint16_t what, struct air_fault *ret)
{
    list_each(pos, tmp, faults)
    {
        struct air_fault *f = list_entry(pos, struct air_fault, link);
        if (f->what != what)
            continue;
        *ret = *f;
        if (f->times != BL_AIR_FOREVER && --f->times == 0) {
            list_remove(&f->link);
            free(f);
        }
        return true;
    }
    return false;
}

static void faults_drop(struct list *faults)
{
    struct list *pos;

    while ((pos = list_pop(faults)) != NULL)
        free(list_entry(pos, struct air_fault, link));
}

int bl_air_fault_command(struct bl_air *air, int i, uint16_t opcode,
                         enum bl_air_command_fault fault, unsigned value, unsigned times)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (!c || times == 0)
        return 0;
    return faults_add(
        &c->command_faults,
        (struct air_fault){.what = opcode, .kind = fault, .value = (int)value, .times = times});
}

int bl_air_fault_event(struct bl_air *air, int i, uint8_t code, uint8_t subevent, int delta,
                       unsigned times)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (!c || times == 0)
        return 0;
    if (code != EV_META)
        subevent = 0;
    return faults_add(&c->event_faults, (struct air_fault){.what = (uint16_t)(code << 8 | subevent),
                                                           .value = delta,
                                                           .times = times});
}

void bl_air_fault_establish(struct bl_air *air, int i, unsigned times, bool at_once)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (c) {
        c->not_established = times;
        c->not_established_at_once = at_once;
    }
}

void bl_air_fault_vanish(struct bl_air *air, int i, unsigned packets)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (c)
        c->vanish_after = packets;
}

void bl_air_fault_delay(struct bl_air *air, int i, uint64_t us)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (c)
        c->delay = us;
}

void bl_air_fault_clear(struct bl_air *air, int i)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    if (!c)
        return;
    faults_drop(&c->command_faults);
    faults_drop(&c->event_faults);
    c->not_established = c->vanish_after = 0;
    c->delay = 0;
}

int bl_air_inject(struct bl_air *air, uint64_t now, int i, const uint8_t *packet, size_t n)
{
    struct air_ctrl *c = faults_ctrl(air, i);

    bl_air_tick(air, now);
    if (!c || !c->powered)
        return -ENETDOWN;
    return bl_air_queue_raw(c, packet, n);
}

int bl_air_hardware_error(struct bl_air *air, uint64_t now, int i, uint8_t code)
{
    const uint8_t event[] = {AIR_H4_EVENT, EV_HARDWARE_ERROR, 1, code};

    return bl_air_inject(air, now, i, event, sizeof(event));
}

/* ---- violations ---- */

void bl_air_violate(struct air_ctrl *c, const char *format, ...)
{
    struct bl_air *air = c->air;
    va_list args;

    if (!air->violations)
        air->violations = calloc(AIR_VIOLATIONS, sizeof(*air->violations));
    if (air->violations && air->n_violations < AIR_VIOLATIONS) {
        char *text = air->violations[air->n_violations];
        int n = snprintf(text, AIR_VIOLATION_LEN, "hci%d: ", c->index);
        va_start(args, format);
        vsnprintf(text + n, AIR_VIOLATION_LEN - (size_t)n, format, args);
        va_end(args);
    }
    air->n_violations++;
}

unsigned bl_air_violations(const struct bl_air *air)
{
    return air->n_violations;
}

const char *bl_air_violation(const struct bl_air *air, unsigned k)
{
    if (k >= air->n_violations || k >= AIR_VIOLATIONS || !air->violations)
        return NULL;
    return air->violations[k];
}

void bl_air_violations_clear(struct bl_air *air)
{
    air->n_violations = 0;
}
