/* SPDX-License-Identifier: MIT */

/* What a listener asks of the link, and what channels do beside a pairing. Core 5.4, Vol 3, Part C,
 * 10.3.1, table 10.2. */

#include "l2cap_rig.h"
#include "pair_rig.h"
#include "smp/method.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000u

enum { PSM = 0x80 };

enum link { /* what it has */
            NOTHING,
            ENCRYPTED,
            LEGACY_AUTHENTICATED,
            SC_AUTHENTICATED,
            SHORT_KEY,  /* authenticated, with 7 octets */
            UNUSED_KEY, /* which the other end has lost */
            LINKS,
};

static struct pair_rig *r;

static void setup(void)
{
    const struct bl_air_config config = bl_air_config_default();

    r = pair_new(41, 2, &config);
}

static void teardown(void)
{
    pair_free(r);
}

/* A link as that, by a bond as some pairing or other would have left it. */
static void connect_as(enum link link)
{
    if (link != NOTHING) {
        pair_connect(r);
        (void)pair_ok(r, RIG_B, NULL);
        pair_disconnect(r, RIG_B);
    }
    for (size_t end = 0; link != NOTHING && end < 2; end++) {
        struct bl_config config = pair_config_of(r, end);
        struct bl_bond bond = *pair_bond(r, end);
        config.min_key_size = 7;
        pair_config(r, end, &config);
        bond.authenticated = link >= LEGACY_AUTHENTICATED;
        bond.secure_connections = link != LEGACY_AUTHENTICATED;
        if (link == SHORT_KEY) {
            memset(bond.local_ltk.key + 7, 0, 9);
            memset(bond.peer_ltk.key + 7, 0, 9);
            bond.local_ltk.size = bond.peer_ltk.size = 7;
        }
        if (link == UNUSED_KEY && end == RIG_B)
            bond.has_peer_ltk = false;
        ck_assert_int_eq(bl_bond_add(r->s->end[end].host, r->s->now, &bond), 0);
    }
    pair_connect(r);
    pair_run(r, SECOND);
    ck_assert_int_eq(pair_security(r, RIG_A).encrypted, link != NOTHING && link != UNUSED_KEY);
    ck_assert_int_eq(pair_security(r, RIG_B).encrypted, link != NOTHING && link != UNUSED_KEY);
}

static bl_status attempt(size_t opener, unsigned enhanced)
{
    bl_op op = coc_connect(r->s, opener, r->conn[opener], PSM, 100, enhanced);

    return stack_done(r->s, opener, op, 5 * SECOND).done.status;
}

static void listen_for(size_t end, uint8_t level)
{
    const struct bl_l2cap_listen listen = {.psm = PSM, .mtu = 100, .security = level};

    ck_assert_int_eq(bl_l2cap_listen(r->s->end[end].host, &listen), 0);
}

static const uint16_t expected[BL_SECURITY_SC + 1][LINKS] = {
    [BL_SECURITY_ENCRYPTED] = {[NOTHING] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                               [UNUSED_KEY] = BL_L2CAP_INSUFFICIENT_ENCRYPTION},
    [BL_SECURITY_AUTHENTICATED] = {[NOTHING] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                                   [ENCRYPTED] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                                   [UNUSED_KEY] = BL_L2CAP_INSUFFICIENT_ENCRYPTION},
    [BL_SECURITY_SC] = {[NOTHING] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                        [ENCRYPTED] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                        [LEGACY_AUTHENTICATED] = BL_L2CAP_INSUFFICIENT_AUTHENTICATION,
                        [SHORT_KEY] = BL_L2CAP_KEY_SIZE_TOO_SHORT,
                        [UNUSED_KEY] = BL_L2CAP_INSUFFICIENT_ENCRYPTION},
};

/* L2CAP/LE/CFC/BV-11, 15, 25, L2CAP/ECFC/BV-11, 15, 32: _i is the link, the listening end. */
START_TEST(each_level_is_asked_of_each_link)
{
    enum link link = (enum link)(_i % LINKS);
    size_t listener = (size_t)_i / LINKS;

    if (link == UNUSED_KEY && listener == RIG_B)
        return; /* a central that has a key has used it */
    connect_as(link);
    for (uint8_t level = 0; level <= BL_SECURITY_SC; level++)
        for (unsigned enhanced = 0; enhanced < 3; enhanced++) {
            uint16_t result = expected[level][link];
            listen_for(listener, level);
            pair_forget(r);
            bl_status status = attempt(1 - listener, enhanced);
            ck_assert_msg(status == (result ? BL_STATUS_L2CAP + result : BL_OK),
                          "level %u, link %d: 0x%03x", level, (int)link, status);
            ck_assert_uint_eq(pair_count(r, listener, BL_EV_L2CAP_CONNECTED), result     ? 0
                                                                              : enhanced ? enhanced
                                                                                         : 1);
            ck_assert_int_eq(bl_l2cap_unlisten(r->s->end[listener].host, r->s->now, PSM), 0);
        }
}
END_TEST

START_TEST(a_key_shorter_than_configured_is_too_short)
{
    connect_as(SHORT_KEY);
    struct bl_config config = pair_config_of(r, RIG_A);
    config.min_key_size = 16;
    pair_config(r, RIG_A, &config);
    listen_for(RIG_A, (uint8_t)_i);
    ck_assert_uint_eq(attempt(RIG_B, 0), BL_STATUS_L2CAP + BL_L2CAP_KEY_SIZE_TOO_SHORT);
}
END_TEST

/* A pairing on the link opens what was refused before, and a channel that is open goes on during
 * it. */
START_TEST(a_pairing_opens_what_was_refused)
{
    const struct bl_pair_params how = {.security = BL_SECURITY_SC};
    static const size_t ends[2] = {RIG_B, RIG_A};
    struct coc open = {0};

    pair_io(r, RIG_A, BL_IO_DISPLAY_YES_NO, true);
    pair_io(r, RIG_B, BL_IO_DISPLAY_YES_NO, true);
    pair_connect(r);
    const uint16_t conns[2] = {r->conn[RIG_B], r->conn[RIG_A]};
    coc_listen(r->s, RIG_A, PSM + 1, 500);
    coc_open(r->s, &open, 1, ends, conns, PSM + 1, 500, false);
    listen_for(RIG_A, BL_SECURITY_SC);
    ck_assert_uint_eq(attempt(RIG_B, (unsigned)_i),
                      BL_STATUS_L2CAP + BL_L2CAP_INSUFFICIENT_AUTHENTICATION);
    stack_forget(r->s);
    pair_forget(r);
    for (unsigned k = 0; k < 2; k++)
        coc_write(r->s, &open.half[k], 30000, 1000);
    (void)pair_ok(r, _i == 0 ? RIG_A : RIG_B, &how);
    ck_assert_uint_eq(attempt(RIG_B, (unsigned)_i), BL_OK);
    for (unsigned k = 0; k < 2; k++)
        coc_read(r->s, &open.half[k], SIZE_MAX, 0);
    coc_look(r->s, &open, 1);
    coc_exchange(r->s, &open, 1, 50);
    coc_free(&open, 1);
}
END_TEST

static Suite *security_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_security");
    TCase *t = tcase_create("levels");

    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, each_level_is_asked_of_each_link, 0, 2 * LINKS);
    tcase_add_loop_test(t, a_key_shorter_than_configured_is_too_short, BL_SECURITY_ENCRYPTED,
                        BL_SECURITY_SC + 1);
    tcase_add_loop_test(t, a_pairing_opens_what_was_refused, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(security_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
