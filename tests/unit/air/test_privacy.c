/* SPDX-License-Identifier: MIT */

/* Resolvable private addresses: made, rotated, resolved, insisted on. */

#include "rig.h"

#include "crypto/crypto.h"

#include <stdio.h>
#include <string.h>

#define SECOND 1000000u
#define IRK_A  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
#define IRK_B  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define ZERO   "00000000000000000000000000000000"

/* Controllers 0 (A) and 1 (B) know each other's identity, which is public; resolution is on. */
static struct rig *bonded(const struct bl_air_config *config, const char *extra)
{
    struct rig *r = rig_new(3, config);
    char a[18], b[18];

    for (unsigned i = 0; i < 2; i++)
        snprintf(i ? b : a, 18, "%02x0000ed1b00", 0x10 + i);
    rig_ok(r, 0, 0x2027, "00 %s " IRK_B " " IRK_A, b);
    rig_ok(r, 1, 0x2027, "00 %s " IRK_A " " IRK_B, a);
    for (unsigned i = 0; i < 2; i++) {
        if (*extra)
            rig_ok(r, i, 0x204e, "00 %s %s", i ? a : b, extra);
        rig_ok(r, i, 0x202d, "01");
    }
    return r;
}

static struct rig *world(void)
{
    struct bl_air_config config = bl_air_config_v42();

    return bonded(&config, "");
}

/* A advertises with own address type 2, for B. */
static void advertise(struct rig *r, unsigned type)
{
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 %02x 02 00 11 00 00 ed 1b 00 07 00", type);
    rig_ok(r, 0, 0x200a, "01");
}

static bool resolves(const uint8_t *addr, const char *irk_hex)
{
    uint8_t irk[16], hash[3];

    rig_hex(irk_hex, irk, 16);
    ck_assert_int_eq(bl_crypto_ah(irk, addr + 3, hash), 0);
    return (addr[5] & 0xc0) == 0x40 && memcmp(hash, addr, 3) == 0;
}

START_TEST(rpa_is_made_from_the_local_irk_and_resolved_by_the_peer)
{
    struct rig *r = world();
    static const uint8_t id[6] = {0x10, 0, 0, 0xed, 0x1b, 0};

    advertise(r, 0);
    for (unsigned i = 1; i < 3; i++) {
        rig_ok(r, i, 0x200b, "00 60 00 60 00 01 00");
        rig_ok(r, i, 0x200c, "01 00");
    }
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(e[2], 2);
    ck_assert_mem_eq(e + 3, id, 6);
    e = rig_wait(r, 2, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(e[2], 1);
    ck_assert(resolves(e + 3, IRK_A));
    uint8_t seen[6];
    memcpy(seen, e + 3, 6);
    rig_ok(r, 1, 0x202b, "00 10 00 00 ed 1b 00");
    ck_assert_mem_eq(r->ret, seen, 6);
    rig_ok(r, 0, 0x202c, "00 11 00 00 ed 1b 00");
    ck_assert_mem_eq(r->ret, seen, 6);
    rig_free(r);
}
END_TEST

START_TEST(rpa_changes_after_the_timeout)
{
    struct rig *r = world();
    uint8_t first[6];
    unsigned changes = 0;

    rig_ok(r, 0, 0x202e, "0a 00");
    advertise(r, 3);
    rig_ok(r, 2, 0x200b, "00 60 00 60 00 01 00");
    rig_ok(r, 2, 0x200c, "01 00");
    memcpy(first, rig_wait(r, 2, 0x3e, 0x02, SECOND) + 3, 6);
    const struct rig_packet *p;
    uint64_t until = r->now + 35 * SECOND;
    while ((p = rig_poll(r, 2, 0x3e, 0x02, until - r->now)) != NULL) {
        changes += memcmp(p->b + 7, first, 6) != 0;
        memcpy(first, p->b + 7, 6);
        ck_assert(resolves(first, IRK_A));
    }
    ck_assert_uint_eq(changes, 3);
    rig_free(r);
}
END_TEST

START_TEST(connection_by_identity_tells_identity_and_rpas)
{
    struct rig *r = world();

    advertise(r, 0);
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 02 10 00 00 ed 1b 00 02 18 00 18 00 00 00 90 01 00 00 00 00");
    const uint8_t *c = rig_wait(r, 1, 0x3e, 0x0a, SECOND);
    ck_assert_uint_eq(c[0], 0);
    ck_assert_uint_eq(c[4], 2);
    ck_assert_uint_eq(c[5], 0x10);
    ck_assert(resolves(c + 11, IRK_B));
    ck_assert(resolves(c + 17, IRK_A));
    const uint8_t *p = rig_wait(r, 0, 0x3e, 0x0a, 0);
    ck_assert_uint_eq(p[4], 2);
    ck_assert_uint_eq(p[5], 0x11);
    ck_assert_mem_eq(p + 11, c + 17, 6);
    ck_assert_mem_eq(p + 17, c + 11, 6);
    rig_free(r);
}
END_TEST

START_TEST(accept_list_names_identities)
{
    struct rig *r = world();

    advertise(r, 0);
    rig_ok(r, 1, 0x2011, "00 10 00 00 ed 1b 00");
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 01 00 00 00 00 00 00 00 02 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x0a, SECOND)[4], 2);
    rig_free(r);
}
END_TEST

START_TEST(network_privacy_refuses_the_bare_identity_and_device_privacy_takes_it)
{
    for (unsigned device = 0; device < 2; device++) {
        struct bl_air_config config = bl_air_config_default();
        struct rig *r = bonded(&config, device ? "01" : "00");

        rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 00 00 00 00 00 00 00 00 07 00");
        rig_ok(r, 0, 0x200a, "01");
        rig_ok(r, 1, 0x200b, "00 60 00 60 00 01 00");
        rig_ok(r, 1, 0x200c, "01 00");
        ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND) > 0, device);
        rig_free(r);
    }
}
END_TEST

START_TEST(without_resolution_an_rpa_stays_what_it_is)
{
    struct rig *r = world();

    rig_ok(r, 1, 0x202d, "00");
    advertise(r, 0);
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 01 00");
    rig_ok(r, 1, 0x200c, "01 00");
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(e[2], 1);
    ck_assert(resolves(e + 3, IRK_A));
    rig_free(r);
}
END_TEST

START_TEST(directed_to_an_rpa_finds_its_target)
{
    struct rig *r = world();

    advertise(r, 4);
    for (unsigned i = 1; i < 3; i++) {
        rig_ok(r, i, 0x200b, "00 60 00 60 00 %02x 02", i == 1 ? 2 : 1);
        rig_ok(r, i, 0x200c, "01 00");
    }
    const uint8_t *e = rig_wait(r, 1, 0x3e, 0x02, SECOND);
    ck_assert_uint_eq(e[1], 1);
    ck_assert_uint_eq(e[2], 2);
    e = rig_wait(r, 2, 0x3e, 0x0b, SECOND); /* policy 2: a stranger's RPA is reported as such */
    ck_assert_uint_eq(e[1], 1);
    ck_assert_uint_eq(e[9], 1);
    ck_assert(resolves(e + 10, IRK_B));
    rig_ok(r, 1, 0x200d,
           "60 00 60 00 00 02 10 00 00 ed 1b 00 02 18 00 18 00 00 00 90 01 00 00 00 00");
    ck_assert_uint_eq(rig_wait(r, 1, 0x3e, 0x0a, SECOND)[0], 0);
    rig_free(r);
}
END_TEST

START_TEST(the_resolving_list_has_its_rules)
{
    struct bl_air_config config = bl_air_config_v42();

    config.resolving_list_size = 2;
    struct rig *r = rig_new(1, &config);
    rig_ok(r, 0, 0x202a, "%s", "");
    ck_assert_uint_eq(r->ret[0], 2);
    rig_ok(r, 0, 0x2027, "00 010203040506 " IRK_A " " ZERO);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2027, "00 010203040506 " IRK_A " " ZERO), 0x12);
    rig_violations(r, 1, "already");
    rig_ok(r, 0, 0x2027, "01 0102030405c6 " IRK_B " " ZERO);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2027, "01 0202030405c6 " IRK_B " " ZERO), 0x07);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202b, "00 010203040506"), 0x02);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202c, "00 010203040506"), 0x02); /* no local IRK */
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2028, "00 060606060606"), 0x02);
    rig_ok(r, 0, 0x202d, "01");
    rig_ok(r, 0, 0x200b, "00 60 00 60 00 01 00");
    rig_ok(r, 0, 0x200c, "01 00");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2028, "00 010203040506"), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x2029, "%s", ""), 0x0c);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202d, "00"), 0x0c);
    rig_violations(r, 3, "while in use");
    rig_ok(r, 0, 0x200c, "00 00");
    rig_ok(r, 0, 0x2028, "00 010203040506");
    rig_ok(r, 0, 0x2029, "%s", "");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202e, "00 00"), 0x12);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(scan_requests_carry_the_scanners_rpa)
{
    struct bl_air_config config = bl_air_config_default();
    struct rig *r = bonded(&config, "");

    rig_ok(r, 0, 0x2036,
           "00 13 00 a0 00 00 a0 00 00 07 02 00 11 00 00 ed 1b 00 00 7f 01 00 01 00 01");
    rig_ok(r, 0, 0x2039, "01 01 00 00 00 00");
    rig_ok(r, 1, 0x2041, "02 00 01 01 60 00 60 00");
    rig_ok(r, 1, 0x2042, "01 00 00 00 00 00");
    const uint8_t *e = rig_wait(r, 0, 0x3e, 0x13, SECOND);
    ck_assert_uint_eq(e[1], 2);
    ck_assert_uint_eq(e[2], 0x11);
    rig_free(r);
}
END_TEST

/* A's entry is for nobody: what undirected advertising names is found, and nobody's RPA resolved.
 */
START_TEST(an_entry_for_nobody_makes_the_rpas_of_undirected_advertising)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);

    rig_ok(r, 0, 0x2027, "00 000000000000 " ZERO " " IRK_A);
    rig_ok(r, 0, 0x202d, "01");
    rig_ok(r, 0, 0x2006, "a0 00 a0 00 00 02 00 00 00 00 00 00 00 07 00");
    rig_ok(r, 0, 0x200a, "01");
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 00 00");
    rig_ok(r, 1, 0x200c, "01 00");
    ck_assert(resolves(rig_wait(r, 1, 0x3e, 0x02, SECOND) + 3, IRK_A));
    rig_free(r);
}
END_TEST

/* The next address that B hears of A. */
static const uint8_t *heard(struct rig *r)
{
    return rig_wait(r, 1, 0x3e, 0x02, SECOND) + 3;
}

/* There is none to tell before it is used, if only by a scan that sends nothing. */
START_TEST(an_rpa_is_made_when_there_is_a_use_for_it)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(1, &config);

    rig_ok(r, 0, 0x2027, "00 000000000000 " ZERO " " IRK_A);
    rig_ok(r, 0, 0x202d, "01");
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202c, "00 000000000000"), 0x02);
    rig_ok(r, 0, 0x200b, "00 10 00 10 00 02 00");
    rig_ok(r, 0, 0x200c, "01 00");
    rig_ok(r, 0, 0x202c, "00 000000000000");
    ck_assert(resolves(r->ret, IRK_A));
    rig_free(r);
}
END_TEST

START_TEST(an_idle_list_makes_no_rpas_and_hides_its_peers)
{
    static const uint8_t id[6] = {0x10, 0, 0, 0xed, 0x1b, 0};
    struct bl_air_config config = bl_air_config_v42();
    struct bl_addr watched = {.type = ADDR_PUBLIC};

    config.list = BL_AIR_LIST_IDLE;
    struct rig *r = bonded(&config, "");
    memcpy(watched.b, id, 6);
    bl_air_watch(r->air, 0, &watched);
    ck_assert_uint_eq(rig_cmd(r, 0, 0x202c, "00 11 00 00 ed 1b 00"), 0x02);
    advertise(r, 3);
    rig_ok(r, 1, 0x200b, "00 60 00 60 00 00 00");
    rig_ok(r, 1, 0x200c, "01 00");
    ck_assert_uint_eq(rig_count(r, 1, 0x3e, 0x02, SECOND), 0);
    ck_assert_uint_ge(bl_air_watched(r->air, 0), 5);
    rig_ok(r, 1, 0x200c, "00 00");
    rig_ok(r, 1, 0x202d, "00");
    rig_ok(r, 1, 0x200c, "01 00");
    ck_assert_mem_eq(heard(r), id, 6);
    rig_free(r);
}
END_TEST

START_TEST(a_frozen_list_keeps_its_rpas)
{
    struct bl_air_config config = bl_air_config_v42();

    config.list = BL_AIR_LIST_FROZEN;
    struct rig *r = bonded(&config, "");
    rig_ok(r, 0, 0x202e, "01 00");
    advertise(r, 3);
    rig_count(r, 0, 0x3e, 0x02, SECOND);
    struct bl_addr first = bl_air_own(r->air, 0, BL_AIR_USE_ADV);
    rig_count(r, 0, 0x3e, 0x02, 20 * SECOND);
    struct bl_addr last = bl_air_own(r->air, 0, BL_AIR_USE_ADV);
    ck_assert(resolves(first.b, IRK_A));
    ck_assert(bl_addr_eq(&first, &last));
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        rpa_is_made_from_the_local_irk_and_resolved_by_the_peer,
        rpa_changes_after_the_timeout,
        connection_by_identity_tells_identity_and_rpas,
        accept_list_names_identities,
        network_privacy_refuses_the_bare_identity_and_device_privacy_takes_it,
        without_resolution_an_rpa_stays_what_it_is,
        directed_to_an_rpa_finds_its_target,
        the_resolving_list_has_its_rules,
        scan_requests_carry_the_scanners_rpa,
        an_entry_for_nobody_makes_the_rpas_of_undirected_advertising,
        an_rpa_is_made_when_there_is_a_use_for_it,
        an_idle_list_makes_no_rpas_and_hides_its_peers,
        a_frozen_list_keeps_its_rpas,
    };

    return rig_main("air/privacy", tests, sizeof(tests) / sizeof(tests[0]));
}
