/* SPDX-License-Identifier: MIT */

/* Memory runs out at each allocation in turn: no crash, no leak, and the radio goes on. The
 * executable is linked with --wrap for malloc, calloc and realloc. */

#include "rig.h"

#include <stdlib.h>

static unsigned oom_left; /* the allocation that fails, counted from now; 0: none does */
static bool oom_on;       /* within lib/air: Check's own allocations do not count */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

static bool oom_fails(void)
{
    return oom_on && oom_left > 0 && --oom_left == 0;
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

static void send(struct bl_air *air, uint64_t now, int i, const char *hex)
{
    uint8_t packet[300];
    size_t n = rig_hex(hex, packet, sizeof(packet));

    oom_on = true;
    bl_air_receive(air, now, i, packet, n);
    oom_on = false;
}

static unsigned drain(struct bl_air *air)
{
    const uint8_t *bytes;
    unsigned n = 0;

    for (int i = 0; i < 2; i++)
        while (bl_air_next_tx(air, i, &bytes) > 0)
            n++;
    return n;
}

/* A scan, a connection, data, encryption, a disconnection. What comes of it is not looked at. */
static void scenario(struct bl_air *air)
{
    static const char *const steps[][2] = {
        {"1", "01 01 0c 08 ffffffffffffff3f"},
        {"0", "01 01 0c 08 ffffffffffffff3f"},
        {"0", "01 36 20 19 00 13 00 a0 00 00 a0 00 00 07 00 00 00000000 0000 00 7f 01 00 01 00 00"},
        {"0", "01 37 20 09 00 03 01 05 02 01 06 01 00"},
        {"0", "01 39 20 06 01 01 00 00 00 00"},
        {"1", "01 41 20 08 00 00 01 01 60 00 60 00"},
        {"1", "01 42 20 06 01 01 00 00 00 00"},
        {"1", "01 42 20 06 00 00 00 00 00 00"},
        {"1", "01 43 20 1a 00 00 00 10 00 00 ed 1b 00 01 60 00 60 00 18 00 18 00 00 00 90 01 "
              "00 00 00 00"},
        {"1", "02 40 00 05 00 01 02 03 04 05"},
        {"1", "01 19 20 1c 40 00 0102030405060708 0a0b 000102030405060708090a0b0c0d0e0f"},
        {"0", "01 1a 20 12 40 00 000102030405060708090a0b0c0d0e0f"},
        {"1", "01 06 04 03 40 00 13"},
    };
    uint64_t now = 0;

    for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
        drain(air);
        send(air, now, steps[k][0][0] - '0', steps[k][1]);
        for (unsigned t = 0; t < 20; t++) {
            now += 20000;
            oom_on = true;
            bl_air_tick(air, now);
            drain(air);
            oom_on = false;
        }
    }
}

START_TEST(running_out_of_memory_anywhere_does_no_harm)
{
    unsigned used = 1;

    for (unsigned k = 1; used > 0; k++) {
        struct bl_air_config config = bl_air_config_default();
        struct bl_air *air;
        ck_assert_uint_lt(k, 5000);
        oom_left = k;
        oom_on = true;
        air = bl_air_new(1);
        bool ok = air != NULL;
        for (int i = 0; i < 2 && ok; i++) {
            config.public.b[0] = (uint8_t)(0x10 + i);
            ok = bl_air_add(air, &config) == i;
            bl_air_power_on(air, 0, i);
        }
        oom_on = false;
        if (ok)
            scenario(air);
        used = oom_left == 0;
        oom_left = 0;
        if (ok) { /* still there */
            drain(air);
            send(air, 100000000, 0, "01 03 0c 00");
            ck_assert_uint_ge(drain(air), 1);
        }
        bl_air_free(air);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {running_out_of_memory_anywhere_does_no_harm};

    return rig_main("air/oom", tests, 1);
}
