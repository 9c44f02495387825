/* SPDX-License-Identifier: MIT */
/* A row a command: its name, how many numbers follow it, how many of these are controllers. */
#include "air_control.h"
#include "base/cleanup.h"
#include "clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBERS = 4 };

static uint64_t now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static int do_rssi(struct air_serve *s, const long *v)
{
    return v[2] < -127 || v[2] > BL_AIR_OUT_OF_RANGE
               ? -EINVAL
               : bl_air_set_rssi(s->air, now_us(), (int)v[0], (int)v[1], (int8_t)v[2]);
}

static int do_loss(struct air_serve *s, const long *v)
{
    return v[2] < 0 || v[2] > 1000
               ? -EINVAL
               : bl_air_set_loss(s->air, now_us(), (int)v[0], (int)v[1], (unsigned)v[2]);
}

static int do_delay(struct air_serve *s, const long *v)
{
    return v[2] < 0 ? -EINVAL
                    : bl_air_set_delay(s->air, now_us(), (int)v[0], (int)v[1], (uint64_t)v[2]);
}

static int fault(struct air_serve *s, const long *v, enum bl_air_command_fault kind, unsigned value,
                 long times)
{
    if (v[1] < 0 || v[1] > 0xffff || times < 1 || times > UINT32_MAX)
        return -EINVAL;
    return bl_air_fault_command(s->air, (int)v[0], (uint16_t)v[1], kind, value, (unsigned)times);
}

static int do_never_answer(struct air_serve *s, const long *v)
{
    return fault(s, v, BL_AIR_NEVER_ANSWER, 0, v[2]);
}

static int do_answer_status(struct air_serve *s, const long *v)
{
    return v[2] < 0 || v[2] > 0xff ? -EINVAL
                                   : fault(s, v, BL_AIR_ANSWER_STATUS, (unsigned)v[2], v[3]);
}

static int do_answer_short(struct air_serve *s, const long *v)
{
    return v[2] < 0 || v[2] > 0xff ? -EINVAL
                                   : fault(s, v, BL_AIR_ANSWER_SHORT, (unsigned)v[2], v[3]);
}

static int do_answer_late(struct air_serve *s, const long *v)
{
    return v[2] < 0 || v[2] > 1000000 ? -EINVAL
                                      : fault(s, v, BL_AIR_ANSWER_LATE, (unsigned)v[2], v[3]);
}

static int do_establish(struct air_serve *s, const long *v)
{
    if (v[1] < 0 || v[1] > UINT32_MAX)
        return -EINVAL;
    bl_air_fault_establish(s->air, (int)v[0], (unsigned)v[1], false);
    return 0;
}

static int do_vanish(struct air_serve *s, const long *v)
{
    if (v[1] < 0 || v[1] > UINT32_MAX)
        return -EINVAL;
    bl_air_fault_vanish(s->air, (int)v[0], (unsigned)v[1]);
    return 0;
}

static int do_unplug(struct air_serve *s, const long *v)
{
    air_serve_unplug(s, (int)v[0]);
    return 0;
}

static int do_hardware_error(struct air_serve *s, const long *v)
{
    return v[1] < 0 || v[1] > 0xff
               ? -EINVAL
               : bl_air_hardware_error(s->air, now_us(), (int)v[0], (uint8_t)v[1]);
}

static int do_clear(struct air_serve *s, const long *v)
{
    bl_air_fault_clear(s->air, (int)v[0]);
    return 0;
}

static int do_pace(struct air_serve *s, const long *v)
{
    if (v[0] < 0 || v[0] > 1)
        return -EINVAL;
    bl_air_set_pace(s->air, now_us(), v[0] == 1 ? BL_AIR_PACED : BL_AIR_NONE);
    return 0;
}

static const struct {
    const char *name;
    int numbers, controllers;
    int (*run)(struct air_serve *s, const long *v);
} commands[] = {
    {"rssi", 3, 2, do_rssi},
    {"loss", 3, 2, do_loss},
    {"delay", 3, 2, do_delay},
    {"never-answer", 3, 1, do_never_answer},
    {"answer-status", 4, 1, do_answer_status},
    {"answer-short", 4, 1, do_answer_short},
    {"answer-late", 4, 1, do_answer_late},
    {"establish", 2, 1, do_establish},
    {"vanish", 2, 1, do_vanish},
    {"unplug", 1, 1, do_unplug},
    {"hardware-error", 2, 1, do_hardware_error},
    {"clear", 1, 1, do_clear},
    {"pace", 1, 0, do_pace},
};

const char *air_control(struct air_serve *s, char *line)
{
    static const char blanks[] = " \t\r";
    long v[NUMBERS] = {0};
    char *rest, *name = strtok_r(line, blanks, &rest);
    size_t i = 0;
    int n = 0;
    if (!name)
        return "no command";
    while (i < ARRAY_LEN(commands) && strcmp(commands[i].name, name) != 0)
        i++;
    if (i == ARRAY_LEN(commands))
        return "unknown command";
    for (char *word; (word = strtok_r(NULL, blanks, &rest)); n++) {
        char *end;
        if (n == commands[i].numbers)
            return "too many numbers";
        errno = 0;
        v[n] = strtol(word, &end, 0);
        if (*end || errno)
            return "not a number";
        if (n < commands[i].controllers && (v[n] < 0 || v[n] >= s->n))
            return "no such controller";
    }
    if (n < commands[i].numbers)
        return "too few numbers";
    int r = commands[i].run(s, v);
    return r == 0 ? NULL : r == -EINVAL ? "a number is out of range" : strerror(-r);
}
