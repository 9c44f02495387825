/* SPDX-License-Identifier: MIT */

#include "rig.h"

#include "base/timerq.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rig *rig_new_off(unsigned n, const struct bl_air_config *config)
{
    struct rig *r = calloc(1, sizeof(*r));

    ck_assert_ptr_nonnull(r);
    ck_assert_uint_le(n, RIG_CTRLS);
    r->air = bl_air_new(42);
    ck_assert_ptr_nonnull(r->air);
    r->now = 5000000;
    r->n = n;
    for (unsigned i = 0; i < n; i++) {
        struct bl_air_config mine = *config;
        mine.public.b[0] = (uint8_t)(0x10 + i);
        ck_assert_int_eq(bl_air_add(r->air, &mine), (int)i);
    }
    return r;
}

void rig_wake(struct rig *r, unsigned i)
{
    bl_air_power_on(r->air, r->now, (int)i);
    rig_ok(r, i, 0x0c03, "%s", "");
    rig_ok(r, i, 0x0c01, "ff ff ff ff ff ff ff 3f");
    rig_ok(r, i, 0x2001, "ff ff ff ff ff ff ff ff");
    rig_ok(r, i, 0x2005, "%02x 00 00 00 00 c0", i);
}

struct rig *rig_new(unsigned n, const struct bl_air_config *config)
{
    struct rig *r = rig_new_off(n, config);

    for (unsigned i = 0; i < n; i++)
        rig_wake(r, i);
    rig_forget(r);
    return r;
}

void rig_free(struct rig *r)
{
    for (unsigned k = 0; k < bl_air_violations(r->air); k++)
        ck_abort_msg("violation: %s", bl_air_violation(r->air, k));
    r->air = bl_air_free(r->air);
    for (unsigned i = 0; i < r->n; i++)
        free(r->c[i].log);
    free(r);
}

void rig_violations(struct rig *r, unsigned n, const char *text)
{
    ck_assert_uint_eq(bl_air_violations(r->air), n);
    if (n > 0) {
        ck_assert_ptr_nonnull(bl_air_violation(r->air, n - 1));
        ck_assert_msg(strstr(bl_air_violation(r->air, n - 1), text), "%s",
                      bl_air_violation(r->air, n - 1));
    }
    bl_air_violations_clear(r->air);
}

static int rig_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t rig_hex(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (*hex) {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        int high = rig_digit(hex[0]), low = high < 0 ? -1 : rig_digit(hex[1]);
        ck_assert_msg(low >= 0, "not hex: %s", hex);
        ck_assert_uint_lt(n, cap);
        out[n++] = (uint8_t)(high << 4 | low);
        hex += 2;
    }
    return n;
}

static void rig_keep(struct rig *r, unsigned i, const uint8_t *bytes, size_t n)
{
    if (r->c[i].n == r->c[i].cap) {
        r->c[i].cap = r->c[i].cap ? 2 * r->c[i].cap : 64;
        r->c[i].log = realloc(r->c[i].log, r->c[i].cap * sizeof(*r->c[i].log));
        ck_assert_ptr_nonnull(r->c[i].log);
    }
    struct rig_packet *p = &r->c[i].log[r->c[i].n++];
    ck_assert_uint_le(n, sizeof(p->b));
    *p = (struct rig_packet){.at = r->now, .n = n};
    memcpy(p->b, bytes, n);
}

void rig_read(struct rig *r)
{
    bool moved = true;

    while (moved) {
        moved = false;
        for (unsigned i = 0; i < r->n; i++) {
            const uint8_t *bytes;
            size_t n = r->c[i].deaf ? 0 : bl_air_next_tx(r->air, (int)i, &bytes);
            if (n == 0)
                continue;
            moved = true;
            rig_keep(r, i, bytes, n);
        }
    }
}

/* To the next deadline, or `until`: false there. */
static bool rig_step(struct rig *r, uint64_t until)
{
    uint64_t at = bl_air_deadline(r->air);

    if (at > until) {
        r->now = until;
        bl_air_tick(r->air, r->now);
        rig_read(r);
        return false;
    }
    if (at > r->now)
        r->now = at;
    bl_air_tick(r->air, r->now);
    rig_read(r);
    return true;
}

void rig_run(struct rig *r, uint64_t us)
{
    uint64_t until = r->now + us;

    rig_read(r);
    while (rig_step(r, until))
        ;
}

static size_t rig_vhex(uint8_t *out, size_t cap, const char *hex, va_list args)
{
    char text[2048];

    int n = vsnprintf(text, sizeof(text), hex, args);
    ck_assert(n >= 0 && (size_t)n < sizeof(text));
    return rig_hex(text, out, cap);
}

void rig_send(struct rig *r, unsigned i, const char *hex, ...)
{
    uint8_t packet[600];
    va_list args;

    va_start(args, hex);
    size_t n = rig_vhex(packet, sizeof(packet), hex, args);
    va_end(args);
    bl_air_receive(r->air, r->now, (int)i, packet, n);
}

static bool rig_is_answer(const struct rig_packet *p, uint16_t opcode)
{
    return p->b[0] == 4 && ((p->b[1] == 0x0e && rig_u16(p->b + 4) == opcode) ||
                            (p->b[1] == 0x0f && rig_u16(p->b + 5) == opcode));
}

uint8_t rig_cmd(struct rig *r, unsigned i, uint16_t opcode, const char *hex, ...)
{
    uint8_t packet[300] = {1, (uint8_t)opcode, (uint8_t)(opcode >> 8)};
    va_list args;

    rig_read(r);
    va_start(args, hex);
    size_t n = rig_vhex(packet + 4, sizeof(packet) - 4, hex, args);
    va_end(args);
    packet[3] = (uint8_t)n;
    size_t look = r->c[i].n;
    bl_air_receive(r->air, r->now, (int)i, packet, 4 + n);
    rig_read(r);
    for (; look < r->c[i].n; look++) {
        const struct rig_packet *p = &r->c[i].log[look];
        if (!rig_is_answer(p, opcode))
            continue;
        if (p->b[1] == 0x0f)
            return p->b[3];
        r->ret_len = p->n > 7 ? p->n - 7 : 0;
        memcpy(r->ret, p->b + 7, r->ret_len);
        return p->b[6];
    }
    ck_abort_msg("command 0x%04x is not answered", opcode);
    return 0xff;
}

void rig_acl(struct rig *r, unsigned i, uint16_t handle, uint8_t boundary, const uint8_t *data,
             size_t n)
{
    uint8_t packet[5 + 600] = {2, (uint8_t)handle, (uint8_t)(handle >> 8 | boundary << 4),
                               (uint8_t)n, (uint8_t)(n >> 8)};

    ck_assert_uint_le(n, 600);
    if (n > 0)
        memcpy(packet + 5, data, n);
    bl_air_receive(r->air, r->now, (int)i, packet, 5 + n);
}

static bool rig_is(const struct rig_packet *p, uint8_t code, uint8_t sub)
{
    if (code == 0)
        return p->b[0] == 2;
    return p->b[0] == 4 && p->b[1] == code && (code != 0x3e || p->b[3] == sub);
}

const struct rig_packet *rig_poll(struct rig *r, unsigned i, uint8_t code, uint8_t sub, uint64_t us)
{
    uint64_t until = r->now + us;
    bool more = true;

    rig_read(r);
    for (;;) {
        while (r->c[i].taken < r->c[i].n) {
            const struct rig_packet *p = &r->c[i].log[r->c[i].taken++];
            if (rig_is(p, code, sub))
                return p;
        }
        if (!more)
            return NULL;
        more = rig_step(r, until);
    }
}

const uint8_t *rig_wait(struct rig *r, unsigned i, uint8_t code, uint8_t sub, uint64_t us)
{
    const struct rig_packet *p = rig_poll(r, i, code, sub, us);

    ck_assert_msg(p, "hci%u: no event 0x%02x 0x%02x within %llu us", i, code, sub,
                  (unsigned long long)us);
    return p->b + (code == 0x3e ? 4 : 3);
}

const struct rig_packet *rig_wait_acl(struct rig *r, unsigned i, uint64_t us)
{
    const struct rig_packet *p = rig_poll(r, i, 0, 0, us);

    ck_assert_msg(p, "hci%u: no data within %llu us", i, (unsigned long long)us);
    return p;
}

unsigned rig_count(struct rig *r, unsigned i, uint8_t code, uint8_t sub, uint64_t us)
{
    uint64_t until = r->now + us;
    unsigned n = 0;

    while (rig_poll(r, i, code, sub, until - r->now))
        n++;
    return n;
}

void rig_forget(struct rig *r)
{
    rig_read(r);
    for (unsigned i = 0; i < r->n; i++)
        r->c[i].n = r->c[i].taken = 0;
}

void rig_connect(struct rig *r, unsigned a, unsigned b, uint16_t *ret_a, uint16_t *ret_b)
{
    rig_ok(r, a, 0x2006, "a0 00 a0 00 00 01 00 00 00 00 00 00 00 07 00");
    rig_ok(r, a, 0x200a, "01");
    rig_ok(r, b, 0x200d,
           "60 00 60 00 00 01 %02x 00 00 00 00 c0 01 18 00 18 00 00 00 90 01 00 00 00 00", a);
    const uint8_t *e = rig_wait(r, b, 0x3e, 0x0a, 2000000);
    ck_assert_uint_eq(e[0], 0);
    *ret_b = rig_u16(e + 1);
    e = rig_wait(r, a, 0x3e, 0x0a, 0);
    ck_assert_uint_eq(e[0], 0);
    *ret_a = rig_u16(e + 1);
    rig_forget(r);
}

int rig_main(const char *name, const TTest *const *tests, size_t n)
{
    Suite *suite = suite_create(name);
    TCase *t = tcase_create(name);

    tcase_set_timeout(t, 60);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(t, tests[i]);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
