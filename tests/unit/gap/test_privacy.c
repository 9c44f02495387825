/* SPDX-License-Identifier: MIT */

#include "gap_world.h"
#include "oom.h"

#include "base/timerq.h"
#include "crypto/crypto.h"

#include <errno.h>

#define PERIOD_US 900000000u
#define SET_ADDR  BL_CMD_LE_SET_RANDOM_ADDRESS

static const uint8_t test_irk[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
static struct gap_world *w;

static void setup(void)
{
    w = gap_world_new(false);
}

static void teardown(void)
{
    gap_world_free(w);
}

static void with_irk(enum bl_addr_mode mode)
{
    memcpy(w->radio.config.irk, test_irk, 16);
    w->radio.config.addr_mode = mode;
}

static void no_public_address(void)
{
    w->hci->caps.public_addr = (struct bl_addr){0};
}

static int own(enum bl_privacy_user user, enum bl_addr_mode mode, uint8_t *ret)
{
    return bl_privacy_own(&w->privacy, w->now, user, mode, ret);
}

/* Claims, with the command that it takes. Returns the address given to the controller. */
static struct bl_addr claim(enum bl_privacy_user user, enum bl_addr_mode mode)
{
    struct bl_addr a = {.type = ADDR_RANDOM};
    uint8_t type = 9;

    ck_assert_int_eq(own(user, mode, &type), -EAGAIN);
    ck_assert_uint_eq(type, 9);
    const struct fake_cmd *cmd = gap_world_do(w, SET_ADDR, NULL);
    ck_assert_uint_eq(cmd->n, 6);
    memcpy(a.b, cmd->params, 6);
    ck_assert_int_eq(own(user, mode, &type), 0);
    ck_assert_uint_eq(type, ADDR_RANDOM);
    return a;
}

static void assert_our_rpa(const struct bl_addr *a)
{
    uint8_t hash[3];

    ck_assert(bl_addr_is_rpa(a));
    ck_assert_int_eq(bl_crypto_ah(w->radio.config.irk, a->b + 3, hash), 0);
    ck_assert_mem_eq(hash, a->b, 3);
}

static void assert_address_changed(const struct bl_addr *a)
{
    struct bl_event e;

    ck_assert(gap_world_event(w, &e));
    ck_assert_int_eq(e.kind, BL_EV_ADDRESS_CHANGED);
    ck_assert(bl_addr_eq(&e.address.addr, a));
}

START_TEST(public_needs_no_claim_and_no_command)
{
    struct bl_addr a;
    uint8_t type = 9;

    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_DEFAULT, &type), 0);
    ck_assert_uint_eq(type, ADDR_PUBLIC);
    gap_world_quiet(w);
    ck_assert(bl_privacy_current(&w->privacy, &a));
    ck_assert(bl_addr_eq(&a, &w->hci->caps.public_addr));
    ck_assert(bl_privacy_identity(&w->privacy, &a));
    ck_assert(bl_addr_eq(&a, &w->hci->caps.public_addr));
}
END_TEST

START_TEST(explicit_public_without_public_address_is_not_supported)
{
    uint8_t type;

    no_public_address();
    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_PUBLIC, &type), -EOPNOTSUPP);
}
END_TEST

START_TEST(without_public_address_default_is_static_and_identity)
{
    struct bl_addr a, identity;

    no_public_address();
    gap_world_ready(w);
    const struct fake_cmd *cmd = gap_world_do(w, SET_ADDR, NULL);
    ck_assert(bl_privacy_identity(&w->privacy, &identity));
    ck_assert(bl_addr_is_static(&identity));
    ck_assert_mem_eq(cmd->params, identity.b, 6);
    ck_assert(bl_addr_eq(&identity, &w->radio.config.static_addr));
    ck_assert(bl_privacy_current(&w->privacy, &a));
    ck_assert(bl_addr_eq(&a, &identity));
}
END_TEST

START_TEST(configured_static_address_is_used)
{
    struct bl_addr given = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}};

    w->radio.config.static_addr = given;
    gap_world_ready(w);
    struct bl_addr a = claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
    ck_assert(bl_addr_eq(&a, &given));
    gap_world_quiet(w);
}
END_TEST

START_TEST(generated_static_address_survives_a_configuration_without_one)
{
    gap_world_ready(w);
    struct bl_addr a = claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
    w->radio.config.static_addr = (struct bl_addr){0};
    bl_privacy_configured(&w->privacy, w->now);
    ck_assert(bl_addr_eq(&a, &w->radio.config.static_addr));
    gap_world_quiet(w);
}
END_TEST

START_TEST(rpa_without_irk_is_not_supported)
{
    uint8_t type;

    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_INIT, BL_ADDR_MODE_RPA, &type), -EOPNOTSUPP);
    ck_assert_int_eq(bl_privacy_check(&w->privacy, BL_PRIVACY_INIT, BL_ADDR_MODE_RPA), -EOPNOTSUPP);
}
END_TEST

START_TEST(rpa_is_made_with_the_irk_and_told_once_on_the_air)
{
    struct bl_addr a;

    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    ck_assert(!bl_privacy_current(&w->privacy, &a));
    const struct fake_cmd *cmd = gap_world_expect(w, SET_ADDR, NULL);
    gap_world_no_event(w);
    gap_world_answer(w, cmd, 0);
    ck_assert(bl_privacy_current(&w->privacy, &a));
    ck_assert_mem_eq(cmd->params, a.b, 6);
    assert_our_rpa(&a);
    assert_address_changed(&a);
    gap_world_no_event(w);
}
END_TEST

START_TEST(kinds_at_odds_exclude_each_other_until_released)
{
    uint8_t type;

    with_irk(BL_ADDR_MODE_PUBLIC);
    gap_world_ready(w);
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_RPA, &type), -EBUSY);
    ck_assert_int_eq(bl_privacy_check(&w->privacy, BL_PRIVACY_ADV, BL_ADDR_MODE_NRPA), -EBUSY);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_PUBLIC, &type), 0);
    ck_assert_int_eq(own(BL_PRIVACY_INIT, BL_ADDR_MODE_STATIC, &type), 0);
    bl_privacy_release(&w->privacy, BL_PRIVACY_SCAN);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_RPA, &type), -EBUSY);
    bl_privacy_release(&w->privacy, BL_PRIVACY_INIT);
    claim(BL_PRIVACY_ADV, BL_ADDR_MODE_RPA);
}
END_TEST

START_TEST(another_mode_replaces_the_users_own_claim)
{
    with_irk(BL_ADDR_MODE_PUBLIC);
    gap_world_ready(w);
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
    struct bl_addr a = claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_RPA);
    assert_our_rpa(&a);
}
END_TEST

START_TEST(default_keeps_what_the_user_has_claimed)
{
    uint8_t type;

    with_irk(BL_ADDR_MODE_STATIC);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    w->radio.config.addr_mode = BL_ADDR_MODE_RPA;
    bl_privacy_configured(&w->privacy, w->now);
    gap_world_quiet(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    bl_privacy_release(&w->privacy, BL_PRIVACY_SCAN);
    struct bl_addr a = {.type = ADDR_RANDOM};
    memcpy(a.b, gap_world_do(w, SET_ADDR, NULL)->params, 6);
    assert_our_rpa(&a);
}
END_TEST

START_TEST(change_waits_for_everyone_to_stand_still)
{
    uint8_t type;

    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    ck_assert_int_eq(own(BL_PRIVACY_INIT, BL_ADDR_MODE_DEFAULT, &type), 0);
    w->radio.scanning = w->radio.initiating = true;

    w->now = bl_privacy_deadline(&w->privacy);
    ck_assert_uint_eq(w->now, 1000000u + PERIOD_US);
    bl_privacy_tick(&w->privacy, w->now);
    ck_assert_uint_gt(bl_privacy_deadline(&w->privacy), w->now);
    gap_world_quiet(w);
    ck_assert(w->radio.pause);
    w->radio.scanning = false;
    gap_world_quiet(w);
    ck_assert(w->radio.pause);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), -EAGAIN);
    w->radio.initiating = false;
    const struct fake_cmd *cmd = gap_world_expect(w, SET_ADDR, NULL);
    ck_assert(w->radio.pause);
    gap_world_answer(w, cmd, 0);
    ck_assert(!w->radio.pause);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    ck_assert_int_eq(own(BL_PRIVACY_INIT, BL_ADDR_MODE_DEFAULT, &type), 0);
}
END_TEST

START_TEST(pause_ends_when_the_claim_that_needed_it_is_gone)
{
    uint8_t type;

    gap_world_ready(w);
    w->radio.scanning = true; /* with the public address */
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_STATIC, &type), -EAGAIN);
    gap_world_quiet(w);
    ck_assert(w->radio.pause);
    bl_privacy_release(&w->privacy, BL_PRIVACY_ADV);
    gap_world_quiet(w);
    ck_assert(!w->radio.pause);
}
END_TEST

START_TEST(nobody_is_disturbed_without_a_claim)
{
    with_irk(BL_ADDR_MODE_PUBLIC);
    gap_world_ready(w);
    w->radio.scanning = true;
    w->radio.config.addr_mode = BL_ADDR_MODE_RPA;
    bl_privacy_configured(&w->privacy, w->now);
    gap_world_quiet(w);
    ck_assert(!w->radio.pause);
    w->radio.scanning = false;
    gap_world_do(w, SET_ADDR, NULL);
}
END_TEST

START_TEST(refused_first_address_ends_the_claim_and_is_tried_again)
{
    uint8_t type;

    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EAGAIN);
    gap_world_answer(w, gap_world_expect(w, SET_ADDR, NULL), BL_HCI_COMMAND_DISALLOWED);
    gap_world_quiet(w);
    ck_assert(!w->radio.pause);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EIO);
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
}
END_TEST

START_TEST(refused_address_is_not_asked_for_again_by_those_who_rest)
{
    w->radio.config.addr_mode = BL_ADDR_MODE_STATIC;
    gap_world_ready(w);
    gap_world_answer(w, gap_world_expect(w, SET_ADDR, NULL), BL_HCI_COMMAND_DISALLOWED);
    for (unsigned user = 0; user < BL_PRIVACY_USERS; user++) {
        bl_privacy_release(&w->privacy, (enum bl_privacy_user)user); /* they do in every step */
        gap_world_quiet(w);
    }
}
END_TEST

START_TEST(unsupported_command_is_an_error_not_a_wait)
{
    uint8_t type;

    fake_hci_deny(w->hci, SET_ADDR);
    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EAGAIN);
    gap_world_quiet(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EIO);
}
END_TEST

START_TEST(refused_renewal_leaves_the_old_address_for_a_period)
{
    uint8_t type;
    struct bl_addr before, after;

    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    ck_assert(bl_privacy_current(&w->privacy, &before));
    w->now += PERIOD_US;
    bl_privacy_tick(&w->privacy, w->now);
    gap_world_answer(w, gap_world_expect(w, SET_ADDR, NULL), BL_HCI_COMMAND_DISALLOWED);
    gap_world_quiet(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_DEFAULT, &type), 0);
    ck_assert(bl_privacy_current(&w->privacy, &after));
    ck_assert(bl_addr_eq(&before, &after));
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), w->now + PERIOD_US);
}
END_TEST

START_TEST(renewal_without_randomness_leaves_the_old_address_for_a_period)
{
    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    w->random_fails = true;
    w->now += PERIOD_US;
    bl_privacy_tick(&w->privacy, w->now);
    gap_world_quiet(w);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), w->now + PERIOD_US);
}
END_TEST

START_TEST(configured_timeout_is_the_period)
{
    with_irk(BL_ADDR_MODE_RPA);
    w->radio.config.rpa_timeout_s = 60;
    gap_world_ready(w);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), w->now + 60000000u);
}
END_TEST

START_TEST(public_and_static_need_no_timer)
{
    gap_world_ready(w);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), TIMERQ_NEVER);
    claim(BL_PRIVACY_ADV, BL_ADDR_MODE_STATIC);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), TIMERQ_NEVER);
}
END_TEST

START_TEST(nrpa_is_fresh_for_each_procedure)
{
    gap_world_ready(w);
    struct bl_addr first = claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_NRPA);
    ck_assert(bl_addr_is_nrpa(&first));
    bl_privacy_release(&w->privacy, BL_PRIVACY_SCAN);
    struct bl_addr second = claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_NRPA);
    ck_assert(bl_addr_is_nrpa(&second));
    ck_assert(!bl_addr_eq(&first, &second));
}
END_TEST

START_TEST(nrpa_is_shared_by_those_who_run_together)
{
    uint8_t type;

    gap_world_ready(w);
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_NRPA);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_NRPA, &type), 0);
    gap_world_quiet(w);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), w->now + PERIOD_US);
}
END_TEST

START_TEST(random_bits_that_are_all_alike_are_no_address)
{
    uint8_t type;

    with_irk(BL_ADDR_MODE_PUBLIC);
    gap_world_ready(w);
    w->random_fills = _i ? 0xff : 0x00;
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_STATIC, &type), -EIO);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_RPA, &type), -EIO);
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_NRPA, &type), -EIO);
    gap_world_quiet(w);
    w->random_fills = -1;
    claim(BL_PRIVACY_ADV, BL_ADDR_MODE_RPA);
}
END_TEST

START_TEST(no_randomness_is_an_error_and_no_claim)
{
    uint8_t type;

    with_irk(BL_ADDR_MODE_PUBLIC);
    gap_world_ready(w);
    w->random_fails = true;
    ck_assert_int_eq(own(BL_PRIVACY_ADV, BL_ADDR_MODE_NRPA, &type), -EIO);
    w->random_fails = false;
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
}
END_TEST

START_TEST(new_irk_makes_a_new_rpa)
{
    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    w->radio.config.irk[0] ^= 1;
    bl_privacy_configured(&w->privacy, w->now);
    struct bl_addr a = {.type = ADDR_RANDOM};
    memcpy(a.b, gap_world_do(w, SET_ADDR, NULL)->params, 6);
    assert_our_rpa(&a);
}
END_TEST

START_TEST(mode_change_is_told)
{
    gap_world_ready(w);
    w->radio.config.addr_mode = BL_ADDR_MODE_STATIC;
    bl_privacy_configured(&w->privacy, w->now);
    assert_address_changed(&w->radio.config.static_addr);
    w->radio.config.addr_mode = BL_ADDR_MODE_PUBLIC;
    bl_privacy_configured(&w->privacy, w->now);
    assert_address_changed(&w->hci->caps.public_addr);
}
END_TEST

START_TEST(reset_forgets_claims_and_a_late_reply)
{
    struct bl_addr a;
    uint8_t type;

    gap_world_ready(w);
    ck_assert_int_eq(own(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC, &type), -EAGAIN);
    const struct fake_cmd *cmd = gap_world_expect(w, SET_ADDR, NULL);
    w->radio.ready = false;
    bl_privacy_reset(&w->privacy, w->now, BL_NOT_ACTIVE);
    ck_assert(!bl_privacy_current(&w->privacy, &a));
    gap_world_answer(w, cmd, 0);
    gap_world_quiet(w);
    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), TIMERQ_NEVER);
    gap_world_ready(w);
    gap_world_quiet(w);
    claim(BL_PRIVACY_SCAN, BL_ADDR_MODE_STATIC);
}
END_TEST

START_TEST(main_set_shares_the_rpa_and_others_have_their_own)
{
    struct bl_addr main_addr, other, another, current;
    uint64_t until;

    with_irk(BL_ADDR_MODE_RPA);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    ck_assert_int_eq(
        bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_DEFAULT, true, &main_addr, &until), 0);
    ck_assert_uint_eq(until, w->now + PERIOD_US);
    ck_assert(bl_privacy_current(&w->privacy, &current));
    ck_assert(bl_addr_eq(&main_addr, &current));
    ck_assert_int_eq(bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_RPA, false, &other, &until),
                     0);
    ck_assert_int_eq(
        bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_RPA, false, &another, &until), 0);
    assert_our_rpa(&other);
    assert_our_rpa(&another);
    ck_assert(!bl_addr_eq(&other, &another));
    ck_assert(!bl_addr_eq(&other, &main_addr));
}
END_TEST

START_TEST(sets_can_be_public_or_static)
{
    struct bl_addr a;
    uint64_t until;

    ck_assert_int_eq(bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_PUBLIC, true, &a, &until),
                     0);
    ck_assert(bl_addr_eq(&a, &w->hci->caps.public_addr));
    ck_assert_uint_eq(until, TIMERQ_NEVER);
    ck_assert_int_eq(bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_STATIC, false, &a, &until),
                     0);
    ck_assert(bl_addr_eq(&a, &w->radio.config.static_addr));
    ck_assert_int_eq(bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_RPA, false, &a, &until),
                     -EOPNOTSUPP);
    no_public_address();
    ck_assert_int_eq(bl_privacy_make(&w->privacy, w->now, BL_ADDR_MODE_PUBLIC, true, &a, &until),
                     -EOPNOTSUPP);
}
END_TEST

/* ---- peers ---- */

static const uint8_t sample_irk[16] = {/* Core 5.4, Vol 3, Part H, D.7 */
                                       0x9b, 0x7d, 0x39, 0x0a, 0xa6, 0x10, 0x10, 0x34,
                                       0x05, 0xad, 0xc8, 0x57, 0xa3, 0x34, 0x02, 0xec};
static const struct bl_addr sample_rpa = {ADDR_RANDOM, {0xaa, 0xfb, 0x0d, 0x94, 0x81, 0x70}};
static const struct bl_addr sample_identity = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};

START_TEST(sample_rpa_resolves_to_its_identity)
{
    struct bl_addr a = {0};

    ck_assert(!bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
        ck_assert(bl_addr_eq(&a, &sample_identity));
    }
}
END_TEST

START_TEST(what_is_no_rpa_of_a_known_peer_stays_unresolved)
{
    struct bl_addr a = {0}, other = sample_rpa, as_public = sample_rpa, as_static = sample_rpa;

    other.b[0] ^= 1;
    as_public.type = ADDR_PUBLIC;
    as_static.b[5] |= 0xc0;
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), 0);
    for (unsigned i = 0; i < 2; i++) {
        ck_assert(!bl_privacy_resolve(&w->privacy, &other, &a));
        ck_assert(!bl_privacy_resolve(&w->privacy, &as_public, &a));
        ck_assert(!bl_privacy_resolve(&w->privacy, &as_static, &a));
    }
    ck_assert(bl_addr_is_zero(&a));
}
END_TEST

START_TEST(changed_identities_are_not_answered_from_memory)
{
    struct bl_addr a = {0};

    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, test_irk), 0);
    ck_assert(!bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), 0);
    ck_assert_uint_eq(w->privacy.n_identities, 1);
    ck_assert(bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    bl_privacy_remove_identity(&w->privacy, &sample_identity);
    ck_assert(!bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    bl_privacy_remove_identity(&w->privacy, &sample_identity);
    ck_assert_uint_eq(w->privacy.n_identities, 0);
}
END_TEST

START_TEST(removal_keeps_the_others)
{
    struct bl_addr a = {0}, first = {ADDR_PUBLIC, {9}};

    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &first, test_irk), 0);
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), 0);
    bl_privacy_remove_identity(&w->privacy, &first);
    ck_assert(bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    ck_assert(bl_addr_eq(&a, &sample_identity));
}
END_TEST

static struct bl_addr numbered(unsigned i)
{
    return (struct bl_addr){ADDR_PUBLIC, {(uint8_t)i, (uint8_t)(i >> 8), 7}};
}

static void add_numbered(unsigned i)
{
    const struct bl_addr a = numbered(i);
    const uint8_t irk[16] = {(uint8_t)i, (uint8_t)(i >> 8), 9};

    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &a, irk), 0);
}

static struct bl_addr rpa_of_numbered(unsigned i, uint8_t random)
{
    const uint8_t irk[16] = {(uint8_t)i, (uint8_t)(i >> 8), 9};
    struct bl_addr a = {ADDR_RANDOM, {0, 0, 0, random, 1, 0x40}};

    ck_assert_int_eq(bl_crypto_ah(irk, a.b + 3, a.b), 0);
    return a;
}

static bool resolves_to(const struct bl_addr *rpa, unsigned i)
{
    struct bl_addr got = {0}, want = numbered(i);

    return bl_privacy_resolve(&w->privacy, rpa, &got) && bl_addr_eq(&got, &want);
}

START_TEST(identities_are_bounded)
{
    struct bl_addr a = {0}, last = numbered(BL_PRIVACY_MAX_IDENTITIES - 1);

    for (unsigned i = 0; i < BL_PRIVACY_MAX_IDENTITIES; i++)
        add_numbered(i);
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), -ENOBUFS);
    ck_assert(!bl_privacy_knows(&w->privacy, &sample_identity));
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &last, sample_irk), 0);
    ck_assert(bl_privacy_resolve(&w->privacy, &sample_rpa, &a));
    ck_assert(bl_addr_eq(&a, &last));
    bl_privacy_remove_identity(&w->privacy, &last);
    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk), 0);
    ck_assert(bl_privacy_knows(&w->privacy, &sample_identity));
}
END_TEST

START_TEST(heard_again_an_address_is_not_searched_for)
{
    struct bl_addr mine = rpa_of_numbered(700, 1), none = rpa_of_numbered(5000, 2), a;

    for (unsigned i = 0; i < 1000; i++)
        add_numbered(i);
    for (unsigned i = 0; i < 100; i++) {
        ck_assert(resolves_to(&mine, 700));
        ck_assert(!bl_privacy_resolve(&w->privacy, &none, &a));
    }
    ck_assert_uint_eq(w->privacy.searches, 2);
}
END_TEST

START_TEST(a_change_of_identities_leaves_what_is_known_of_the_others)
{
    struct bl_addr heard[1000], a;
    uint64_t searches;

    for (unsigned i = 0; i < 500; i++)
        add_numbered(i);
    for (unsigned i = 0; i < 1000; i++) { /* half of them are nobody's, yet */
        heard[i] = rpa_of_numbered(i, (uint8_t)i);
        ck_assert(resolves_to(&heard[i], i) == (i < 500));
    }
    add_numbered(999);
    add_numbered(0); /* with the key that it has: no change */
    a = numbered(3);
    bl_privacy_remove_identity(&w->privacy, &a);
    searches = w->privacy.searches;
    for (unsigned i = 4; i < 500; i++)
        ck_assert(resolves_to(&heard[i], i));
    ck_assert(resolves_to(&heard[0], 0));
    ck_assert_uint_le(w->privacy.searches, searches + 16); /* sets that had more than four */
    ck_assert(resolves_to(&heard[999], 999));
    ck_assert(!bl_privacy_resolve(&w->privacy, &heard[3], &a));
    ck_assert(!bl_privacy_resolve(&w->privacy, &heard[998], &a));
}
END_TEST

/* Whatever is remembered, the answer is what a search of all keys would give. */
START_TEST(answers_are_true_through_a_long_life_of_changes)
{
    bool there[32] = {0};
    struct bl_addr a, heard[32][4];
    uint32_t random = 12345;

    for (unsigned i = 0; i < 32; i++)
        for (uint8_t k = 0; k < 4; k++)
            heard[i][k] = rpa_of_numbered(i, k);
    for (unsigned round = 0; round < 20000; round++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = random >> 27, k = random >> 20 & 3;
        if ((random >> 16 & 15) == 0) {
            a = numbered(i);
            if (there[i])
                bl_privacy_remove_identity(&w->privacy, &a);
            else
                add_numbered(i);
            there[i] = !there[i];
        }
        ck_assert(resolves_to(&heard[i][k], i) == there[i]);
    }
}
END_TEST

static struct bl_addr flood_of(unsigned i)
{
    return (struct bl_addr){ADDR_RANDOM,
                            {(uint8_t)i, (uint8_t)(i >> 8), (uint8_t)(i >> 16), 1, 2, 0x41}};
}

/* 2000 addresses a second, for ten, with 1000 keys. */
START_TEST(a_flood_of_new_addresses_costs_so_much_and_no_more)
{
    const unsigned keys = 1000, seconds = 10, at_once = BL_PRIVACY_BURST / keys,
                   more = BL_PRIVACY_RATE / keys;
    struct bl_addr mine = rpa_of_numbered(700, 1), late = rpa_of_numbered(800, 1), a;
    unsigned put_off = 0;

    for (unsigned i = 0; i < keys; i++)
        add_numbered(i);
    ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &mine, &a), 1);
    for (unsigned i = 0; i < 2000 * seconds; i++) {
        struct bl_addr stranger = flood_of(i);
        w->now += 500;
        int r = bl_privacy_resolve_heard(&w->privacy, w->now, &stranger, &a);
        ck_assert_int_le(r, 0);
        put_off += r == -EAGAIN;
        if (i % 100 == 0) /* what is known stays so, and is free */
            ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &mine, &a), 1);
    }
    ck_assert_uint_ge(w->privacy.searches, at_once + (seconds - 1) * more);
    ck_assert_uint_le(w->privacy.searches, at_once + (seconds + 1) * more);
    ck_assert_uint_eq(w->privacy.postponed, put_off);
    ck_assert_uint_eq(put_off + w->privacy.searches, 2000 * seconds + 1);

    ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &late, &a), -EAGAIN);
    ck_assert(bl_privacy_resolve(&w->privacy, &late, &a)); /* a connection's is found out */
    late = rpa_of_numbered(800, 2);
    ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &late, &a), -EAGAIN);
    struct bl_addr theirs = numbered(800), others = numbered(801), nobodys = numbered(5000);
    ck_assert(bl_privacy_is(&w->privacy, &late, &theirs));
    ck_assert(!bl_privacy_is(&w->privacy, &late, &others));
    ck_assert(!bl_privacy_is(&w->privacy, &late, &nobodys));
    ck_assert(!bl_privacy_is(&w->privacy, &theirs, &theirs));
    w->now += 100000;
    ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &late, &a), 1);
    ck_assert(bl_addr_eq(&a, &theirs));
}
END_TEST

START_TEST(few_keys_let_many_addresses_be_tried)
{
    struct bl_addr a;

    for (unsigned i = 0; i < 4; i++)
        add_numbered(i);
    for (unsigned i = 0; i < 20000; i++) {
        struct bl_addr stranger = flood_of(i);
        w->now += 300;
        ck_assert_int_eq(bl_privacy_resolve_heard(&w->privacy, w->now, &stranger, &a), 0);
    }
    ck_assert_uint_eq(w->privacy.postponed, 0);
}
END_TEST

START_TEST(identity_without_key_or_memory_is_refused)
{
    static const uint8_t zero[16];

    ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &sample_identity, zero), -EINVAL);
    oom_fail_from(1);
    int r = bl_privacy_add_identity(&w->privacy, &sample_identity, sample_irk);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    ck_assert_uint_eq(w->privacy.n_identities, 0);
}
END_TEST

/* ---- the controller's resolving list ---- */

#define ADD    BL_CMD_LE_ADD_RESOLVING_LIST
#define REMOVE BL_CMD_LE_REMOVE_RESOLVING_LIST
#define MODE   BL_CMD_LE_SET_PRIVACY_MODE
#define ENABLE BL_CMD_LE_SET_ADDRESS_RESOLUTION

static int list_numbered(unsigned i)
{
    struct bl_addr a = numbered(i);

    return bl_privacy_list(&w->privacy, w->now, &a);
}

static void listed(unsigned i)
{
    ck_assert_int_eq(list_numbered(i), -EAGAIN);
    gap_world_run(w);
    ck_assert_int_eq(list_numbered(i), 0);
}

START_TEST(a_peer_is_listed_in_device_mode)
{
    gap_world_ready(w);
    ck_assert_int_eq(list_numbered(1), -EOPNOTSUPP); /* it has no key */
    add_numbered(1);
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    gap_world_do(w, ADD,
                 "00 010007000000 01000900000000000000000000000000 "
                 "00000000000000000000000000000000");
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    gap_world_do(w, MODE, "00 010007000000 01");
    gap_world_do(w, ENABLE, "01");
    ck_assert_int_eq(list_numbered(1), 0);
    add_numbered(2);
    ck_assert_int_eq(list_numbered(2), -EAGAIN);
    gap_world_do(w, ADD, NULL);
    gap_world_do(w, MODE, "00 020007000000 01");
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), 0);
    ck_assert_int_eq(list_numbered(2), 0);
}
END_TEST

START_TEST(the_list_changes_while_nothing_is_on_the_air)
{
    bool *busy[] = {&w->radio.scanning, &w->radio.initiating, &w->radio.sets};

    gap_world_ready(w);
    add_numbered(1);
    *busy[_i] = true;
    gap_world_quiet(w);
    ck_assert(!w->radio.pause && !w->radio.still);
    *busy[_i] = true; /* the advertiser knows of no set */
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    bl_privacy_step(&w->privacy, w->now);
    ck_assert(w->radio.pause && w->radio.still);
    ck_assert_ptr_null(fake_hci_take(w->hci));
    *busy[_i] = false;
    gap_world_run(w);
    ck_assert(!w->radio.pause && !w->radio.still);
    ck_assert_int_eq(list_numbered(1), 0);
}
END_TEST

START_TEST(a_full_list_keeps_who_was_used_lately)
{
    struct bl_addr a = numbered(0);

    w->hci->caps.resolving_list = 2;
    gap_world_ready(w);
    for (unsigned i = 0; i < 3; i++)
        add_numbered(i);
    listed(0);
    listed(1);
    ck_assert_int_eq(list_numbered(2), -EOPNOTSUPP);
    w->now += 30000000;
    ck_assert_int_eq(list_numbered(1), 0);
    ck_assert_int_eq(list_numbered(2), -EAGAIN);
    gap_world_do(w, REMOVE, "00 000007000000");
    gap_world_do(w, ADD, NULL);
    gap_world_do(w, MODE, "00 020007000000 01");
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), 0);
    ck_assert_int_eq(list_numbered(2), 0);
    ck_assert(!bl_privacy_is_listed(&w->privacy, &a));
}
END_TEST

START_TEST(a_key_that_goes_or_changes_leaves_the_list)
{
    struct bl_addr a = numbered(1);

    gap_world_ready(w);
    add_numbered(1);
    listed(1);
    if (_i == 0)
        bl_privacy_remove_identity(&w->privacy, &a);
    else
        ck_assert_int_eq(bl_privacy_add_identity(&w->privacy, &a, sample_irk), 0);
    ck_assert(!bl_privacy_is_listed(&w->privacy, &a));
    gap_world_do(w, REMOVE, "00 010007000000");
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), _i == 0 ? -EOPNOTSUPP : -EAGAIN);
}
END_TEST

START_TEST(a_key_that_goes_while_it_is_being_listed_leaves_too)
{
    struct bl_addr a = numbered(1);

    gap_world_ready(w);
    add_numbered(1);
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    const struct fake_cmd *add = gap_world_expect(w, ADD, NULL);
    bl_privacy_remove_identity(&w->privacy, &a);
    gap_world_answer(w, add, 0);
    gap_world_do(w, REMOVE, "00 010007000000");
    gap_world_quiet(w);
}
END_TEST

START_TEST(what_goes_wrong_ends_the_use_of_the_list_until_a_reset)
{
    static const uint16_t order[] = {ADD, MODE, ENABLE};

    gap_world_ready(w);
    add_numbered(1);
    add_numbered(2);
    if (_i >= 6)
        listed(2);
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    for (int k = 0; k < _i % 3; k++)
        gap_world_do(w, order[k], NULL);
    if (_i != 8) { /* it is on already */
        const struct fake_cmd *cmd = gap_world_expect(w, order[_i % 3], NULL);
        if (_i < 3)
            gap_world_answer(w, cmd, BL_HCI_COMMAND_DISALLOWED);
        else
            gap_world_lose(w, cmd);
        if (_i >= 6 || _i == 5) /* it may be on */
            gap_world_do(w, ENABLE, "00");
        ck_assert_int_eq(list_numbered(1), -EOPNOTSUPP);
        ck_assert_int_eq(list_numbered(2), -EOPNOTSUPP);
    }
    gap_world_quiet(w);
    ck_assert(!w->radio.pause && !w->radio.still);
    w->radio.ready = false;
    bl_privacy_reset(&w->privacy, w->now, BL_NOT_ACTIVE);
    gap_world_ready(w);
    listed(1);
}
END_TEST

START_TEST(a_controller_without_device_mode_or_a_list_is_not_used)
{
    gap_world_ready(w);
    add_numbered(1);
    if (_i == 0)
        fake_hci_deny(w->hci, MODE);
    else if (_i == 1)
        w->hci->caps.resolving_list = 0;
    else
        w->hci->caps.le_features &= ~(UINT64_C(1) << BL_LE_PRIVACY);
    ck_assert_int_eq(list_numbered(1), -EOPNOTSUPP);
    gap_world_quiet(w);
}
END_TEST

START_TEST(in_network_mode_an_entry_stays_as_it_is_when_new)
{
    w->radio.config.network_privacy = true;
    fake_hci_deny(w->hci, MODE);
    gap_world_ready(w);
    add_numbered(1);
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    gap_world_do(w, ADD, NULL);
    gap_world_do(w, ENABLE, "01");
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), 0);
}
END_TEST

START_TEST(another_mode_is_told_of_entries_that_are_there)
{
    gap_world_ready(w);
    add_numbered(1);
    listed(1);
    w->radio.config.network_privacy = true;
    bl_privacy_configured(&w->privacy, w->now);
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    gap_world_do(w, MODE, "00 010007000000 00");
    gap_world_quiet(w);
    ck_assert_int_eq(list_numbered(1), 0);
}
END_TEST

START_TEST(in_network_mode_an_identity_address_is_nobodys)
{
    struct bl_addr a = numbered(1), b = numbered(2);

    gap_world_ready(w);
    add_numbered(1);
    ck_assert(!bl_privacy_refuses(&w->privacy, &a));
    w->radio.config.network_privacy = true;
    ck_assert(bl_privacy_refuses(&w->privacy, &a));
    ck_assert(!bl_privacy_refuses(&w->privacy, &b));
    bl_privacy_remove_identity(&w->privacy, &a);
    ck_assert(!bl_privacy_refuses(&w->privacy, &a));
}
END_TEST

/* ---- our own addresses by the list ---- */

#define TIMEOUT_CMD BL_CMD_LE_SET_RPA_TIMEOUT
#define READ        BL_CMD_LE_READ_LOCAL_RPA
#define NOBODY      "00 000000000000"
#define OUR_KEY     "0102030405060708090a0b0c0d0e0f10"
#define NO_KEY      "00000000000000000000000000000000"

static unsigned warnings;

static void count_warnings(void *ctx, enum bl_log_level level, const char *text)
{
    (void)ctx, (void)text;
    warnings += level == BL_LOG_WARNING;
}

/* An RPA of that key. */
static struct bl_addr rpa_of(const uint8_t key[16], uint8_t n)
{
    struct bl_addr a = {ADDR_RANDOM, {0, 0, 0, n, 1, 0x40}};

    ck_assert_int_eq(bl_crypto_ah(key, a.b + 3, a.b), 0);
    return a;
}

static void tells_own(const struct fake_cmd *read, const uint8_t *bytes, size_t n)
{
    struct bl_hci_reply reply = fake_hci_reply(read, 0, bytes, n);

    w->radio.outstanding = false;
    bl_privacy_reply(&w->privacy, w->now, &reply);
}

static const struct fake_cmd *stirred(void)
{
    gap_world_do(w, BL_CMD_LE_SET_SCAN_PARAMS, "00 1000 1000 02 00");
    gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "01 00");
    return gap_world_expect(w, READ, NOBODY);
}

/* It does, and that is what was to be seen. */
static void shows_own(const struct fake_cmd *read, const struct bl_addr *a)
{
    tells_own(read, a->b, 6);
    ck_assert(!bl_privacy_by_controller(&w->privacy)); /* not while that scan is on */
    gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "00 00");
    ck_assert(bl_privacy_by_controller(&w->privacy));
}

/* Up to the question what the controller makes of our key. */
static const struct fake_cmd *asked_for_own(void)
{
    w->env.log = count_warnings;
    warnings = 0;
    with_irk(BL_ADDR_MODE_RPA);
    w->radio.config.resolving_list = true;
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_do(w, TIMEOUT_CMD, "84 03");
    ck_assert(w->radio.still && w->radio.pause);
    gap_world_do(w, ADD, NOBODY NO_KEY OUR_KEY);
    gap_world_do(w, ENABLE, "01");
    return stirred();
}

START_TEST(rpas_are_the_controllers_once_it_has_shown_one)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1), b = rpa_of(test_irk, 2);
    struct bl_event e;

    ck_assert(!bl_privacy_by_controller(&w->privacy));
    ck_assert(!gap_world_event(w, &e)); /* nor is the host's told before that */
    shows_own(read, &a);
    ck_assert(w->radio.scan_moved);
    assert_address_changed(&a);
    gap_world_quiet(w);
    ck_assert(!w->radio.still && !w->radio.pause);

    ck_assert_uint_eq(bl_privacy_deadline(&w->privacy), w->now + PERIOD_US);
    w->now += PERIOD_US;
    w->radio.sets = w->radio.listed = true;
    bl_privacy_tick(&w->privacy, w->now);
    read = gap_world_expect(w, READ, NOBODY);
    ck_assert(!w->radio.still && !w->radio.pause);
    tells_own(read, b.b, 6);
    assert_address_changed(&b);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* Refused, lost, nothing, cut short, made of another key, no RPA at all. */
START_TEST(a_controller_that_shows_none_leaves_rpas_to_the_host)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr theirs = rpa_of(sample_irk, 1), ours = rpa_of(test_irk, 1), current;
    uint8_t nothing[6] = {0}, fixed[6] = {1, 2, 3, 4, 5, 0xc6};

    if (_i == 0)
        gap_world_answer(w, read, BL_HCI_UNKNOWN_CONNECTION);
    else if (_i == 1)
        gap_world_lose(w, read);
    else
        tells_own(read,
                  _i == 2   ? nothing
                  : _i == 3 ? ours.b
                  : _i == 4 ? theirs.b
                            : fixed,
                  _i == 3 ? 5 : 6);
    ck_assert(!bl_privacy_by_controller(&w->privacy));
    gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "00 00");
    gap_world_do(w, ENABLE, "00");
    gap_world_quiet(w);
    ck_assert_uint_eq(warnings, 1);
    ck_assert(!w->radio.still && !w->radio.pause);
    ck_assert(bl_privacy_current(&w->privacy, &current));
    assert_our_rpa(&current);
    ck_assert(bl_addr_eq(&current, &w->privacy.shared));
    assert_address_changed(&current);
    w->now += PERIOD_US;
    bl_privacy_tick(&w->privacy, w->now);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_quiet(w);
}
END_TEST

/* Asked for again, soon, and not for ever; where it is not on the air nobody minds. */
START_TEST(a_controller_that_keeps_its_rpa_loses_our_trust)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1);
    uint64_t since = w->now;
    bool used = _i;

    shows_own(read, &a);
    for (unsigned n = 0; n < 40 && bl_privacy_by_controller(&w->privacy); n++) {
        const struct fake_cmd *cmd;
        w->radio.sets = w->radio.listed = used;
        w->now = bl_privacy_deadline(&w->privacy);
        bl_privacy_tick(&w->privacy, w->now);
        gap_world_step(w);
        while ((cmd = fake_hci_take(w->hci)) != NULL) {
            if (cmd->opcode == READ)
                tells_own(cmd, a.b, 6);
            else
                gap_world_answer(w, cmd, 0);
        }
    }
    ck_assert_int_ne(bl_privacy_by_controller(&w->privacy), used);
    ck_assert_uint_eq(warnings, used);
    if (used) {
        ck_assert_uint_ge(w->now - since, 2 * (uint64_t)PERIOD_US);
        ck_assert_uint_le(w->now - since, 3 * (uint64_t)PERIOD_US);
    }
}
END_TEST

/* Own_Address_Type 3, which falls back to the random address and not to the public one, for nobody
 * in particular; when trust is lost, 1, as for directed advertising at any time. */
START_TEST(advertising_has_the_controllers_address_while_it_is_trusted)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1);
    struct bl_adv_params params = {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t adv;
    bl_op op;

    shows_own(read, &a);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &params, &adv, &op), 0);
    gap_world_do(w, BL_CMD_LE_SET_ADV_PARAMS, "a000a000 03 03 00 000000000000 07 00");
    gap_world_do(w, BL_CMD_LE_SET_ADV_ENABLE, "01");
    gap_world_quiet(w);
    ck_assert(w->radio.listed);

    w->now += PERIOD_US; /* the host's own address is as old, and changing it would disturb */
    bl_privacy_tick(&w->privacy, w->now);
    read = gap_world_expect(w, READ, NOBODY);
    tells_own(read, (uint8_t[6]){0}, 6);
    gap_world_do(w, BL_CMD_LE_SET_ADV_ENABLE, "00");
    ck_assert(!w->radio.listed);
    gap_world_do(w, ENABLE, "00");
    gap_world_do(w, SET_ADDR, NULL); /* it is due by now */
    gap_world_do(w, BL_CMD_LE_SET_ADV_PARAMS, "a000a000 03 01 00 000000000000 07 00");
    gap_world_do(w, BL_CMD_LE_SET_ADV_ENABLE, "01");
    gap_world_quiet(w);
}
END_TEST

START_TEST(directed_advertising_has_the_hosts_address)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1);
    struct bl_adv_params params = {.interval_us = 100000,
                                   .connectable = true,
                                   .has_directed = true,
                                   .directed = numbered(1),
                                   .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t adv;
    bl_op op;

    shows_own(read, &a);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &params, &adv, &op), 0);
    gap_world_do(w, BL_CMD_LE_SET_ADV_PARAMS, "a000a000 04 01 00 010007000000 07 00");
    gap_world_do(w, BL_CMD_LE_SET_ADV_ENABLE, "01");
    ck_assert(!w->radio.listed);
    w->now += PERIOD_US;
    bl_privacy_tick(&w->privacy, w->now);
    gap_world_do(w, READ, NOBODY); /* cut short: all is the host's from now on */
    gap_world_do(w, BL_CMD_LE_SET_ADV_ENABLE, "00");
    gap_world_do(w, SET_ADDR, NULL);
}
END_TEST

START_TEST(another_key_of_ours_is_shown_anew)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1);

    shows_own(read, &a);
    add_numbered(1);
    listed(1);
    w->radio.config.irk[0] = 0x77;
    bl_privacy_configured(&w->privacy, w->now);
    ck_assert(!bl_privacy_by_controller(&w->privacy));
    ck_assert_int_eq(list_numbered(1), -EAGAIN);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_do(w, REMOVE, "00 010007000000");
    gap_world_do(w, REMOVE, NOBODY);
    gap_world_do(w, ADD, NOBODY NO_KEY "7702030405060708090a0b0c0d0e0f10");
    read = stirred();
    a = rpa_of(w->radio.config.irk, 1);
    shows_own(read, &a);
    listed(1);
}
END_TEST

/* Lost or refused, at the beginning and at the end: once it may be on it is switched off. */
START_TEST(a_scan_that_goes_wrong_leaves_rpas_to_the_host)
{
    static const uint16_t opcodes[] = {BL_CMD_LE_SET_SCAN_PARAMS, BL_CMD_LE_SET_SCAN_ENABLE, READ,
                                       BL_CMD_LE_SET_SCAN_ENABLE};
    struct bl_addr a = rpa_of(test_irk, 1);
    bool lost = _i % 2;

    with_irk(BL_ADDR_MODE_RPA);
    w->radio.config.resolving_list = true;
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_do(w, TIMEOUT_CMD, NULL);
    gap_world_do(w, ADD, NULL);
    gap_world_do(w, ENABLE, NULL);
    for (int k = 0; k < _i / 2; k++) {
        const struct fake_cmd *cmd = gap_world_expect(w, opcodes[k], NULL);
        if (opcodes[k] == READ)
            tells_own(cmd, a.b, 6);
        else
            gap_world_answer(w, cmd, 0);
    }
    const struct fake_cmd *cmd = gap_world_expect(w, opcodes[_i / 2], NULL);
    if (lost)
        gap_world_lose(w, cmd);
    else
        gap_world_answer(w, cmd, BL_HCI_COMMAND_DISALLOWED);
    if (_i / 2 == 2 || (lost && _i / 2 != 0))
        gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "00 00");
    gap_world_do(w, ENABLE, "00");
    gap_world_quiet(w);
    ck_assert(!bl_privacy_by_controller(&w->privacy));
    ck_assert(!w->radio.still && !w->radio.pause);
    ck_assert(w->radio.scan_moved); /* maybe: the scanner tells its own anew */
}
END_TEST

/* What is wanted may change while that scan is about to begin: it ends all the same, before all
 * that may not be done beside a scan (Core 5.4, Vol 4, Part E, 7.8.4, 7.8.10, 7.8.39). _i: 0
 * another kind of address, 1 no list, 2 another key, 3 another key while the question is out. */
START_TEST(a_scan_for_an_address_ends_before_anything_else)
{
    struct bl_addr old = rpa_of(test_irk, 1);
    const struct fake_cmd *cmd;

    if (_i == 3) {
        cmd = asked_for_own();
    } else {
        with_irk(BL_ADDR_MODE_RPA);
        w->radio.config.resolving_list = true;
        gap_world_ready(w);
        gap_world_do(w, SET_ADDR, NULL);
        gap_world_do(w, TIMEOUT_CMD, NULL);
        gap_world_do(w, ADD, NULL);
        gap_world_do(w, ENABLE, "01");
        gap_world_do(w, BL_CMD_LE_SET_SCAN_PARAMS, NULL);
        cmd = gap_world_expect(w, BL_CMD_LE_SET_SCAN_ENABLE, "01 00");
    }
    if (_i == 0)
        w->radio.config.addr_mode = BL_ADDR_MODE_STATIC;
    else if (_i == 1)
        w->radio.config.resolving_list = false;
    else
        w->radio.config.irk[0] = 0x77;
    bl_privacy_configured(&w->privacy, w->now);
    if (_i < 3)
        gap_world_answer(w, cmd, 0);
    else
        tells_own(cmd, old.b, 6);
    gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "00 00");
    ck_assert(!w->privacy.list.stirring);
    if (_i != 1)
        gap_world_do(w, SET_ADDR, NULL);
    if (_i >= 2) {
        gap_world_do(w, REMOVE, NOBODY);
        gap_world_do(w, ADD, NOBODY NO_KEY "7702030405060708090a0b0c0d0e0f10");
        cmd = stirred(); /* what was made of the old key shows nothing */
        struct bl_addr a = rpa_of(w->radio.config.irk, 1);
        shows_own(cmd, &a);
    }
    gap_world_quiet(w);
    ck_assert(!w->radio.still && !w->radio.pause);
}
END_TEST

/* A private address that is due meanwhile waits for the end of the scan. */
START_TEST(no_address_changes_during_a_scan_for_one)
{
    const struct fake_cmd *read = asked_for_own();
    struct bl_addr a = rpa_of(test_irk, 1);

    w->now += PERIOD_US;
    bl_privacy_tick(&w->privacy, w->now);
    tells_own(read, a.b, 6);
    gap_world_do(w, BL_CMD_LE_SET_SCAN_ENABLE, "00 00");
    gap_world_do(w, SET_ADDR, NULL);
    ck_assert(bl_privacy_by_controller(&w->privacy));
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

/* One that advertises alone: nothing is left behind in it. */
START_TEST(without_a_scan_the_list_is_switched_off)
{
    with_irk(BL_ADDR_MODE_RPA);
    w->radio.config.resolving_list = true;
    fake_hci_deny(w->hci, BL_CMD_LE_SET_SCAN_PARAMS);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_do(w, TIMEOUT_CMD, NULL);
    gap_world_do(w, ADD, NULL);
    gap_world_do(w, ENABLE, "01");
    gap_world_step(w);
    gap_world_do(w, ENABLE, "00");
    gap_world_quiet(w);
    ck_assert(!w->radio.still && !w->radio.pause);
}
END_TEST

START_TEST(without_what_it_takes_rpas_are_the_hosts)
{
    static const uint16_t needed[] = {ADD, REMOVE, ENABLE, TIMEOUT_CMD, READ};

    with_irk(BL_ADDR_MODE_RPA);
    w->radio.config.resolving_list = _i != 5;
    if (_i < 5)
        fake_hci_deny(w->hci, needed[_i]);
    gap_world_ready(w);
    gap_world_do(w, SET_ADDR, NULL);
    gap_world_quiet(w);
    ck_assert(!bl_privacy_by_controller(&w->privacy));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("privacy");
    TCase *own_case = tcase_create("own"), *peers = tcase_create("peers");

    tcase_add_checked_fixture(own_case, setup, teardown);
    tcase_add_checked_fixture(peers, setup, teardown);
    tcase_add_test(own_case, public_needs_no_claim_and_no_command);
    tcase_add_test(own_case, explicit_public_without_public_address_is_not_supported);
    tcase_add_test(own_case, without_public_address_default_is_static_and_identity);
    tcase_add_test(own_case, configured_static_address_is_used);
    tcase_add_test(own_case, generated_static_address_survives_a_configuration_without_one);
    tcase_add_test(own_case, rpa_without_irk_is_not_supported);
    tcase_add_test(own_case, rpa_is_made_with_the_irk_and_told_once_on_the_air);
    tcase_add_test(own_case, kinds_at_odds_exclude_each_other_until_released);
    tcase_add_test(own_case, another_mode_replaces_the_users_own_claim);
    tcase_add_test(own_case, default_keeps_what_the_user_has_claimed);
    tcase_add_test(own_case, change_waits_for_everyone_to_stand_still);
    tcase_add_test(own_case, pause_ends_when_the_claim_that_needed_it_is_gone);
    tcase_add_test(own_case, nobody_is_disturbed_without_a_claim);
    tcase_add_test(own_case, refused_first_address_ends_the_claim_and_is_tried_again);
    tcase_add_test(own_case, refused_address_is_not_asked_for_again_by_those_who_rest);
    tcase_add_test(own_case, unsupported_command_is_an_error_not_a_wait);
    tcase_add_test(own_case, refused_renewal_leaves_the_old_address_for_a_period);
    tcase_add_test(own_case, renewal_without_randomness_leaves_the_old_address_for_a_period);
    tcase_add_test(own_case, configured_timeout_is_the_period);
    tcase_add_test(own_case, public_and_static_need_no_timer);
    tcase_add_test(own_case, nrpa_is_fresh_for_each_procedure);
    tcase_add_test(own_case, nrpa_is_shared_by_those_who_run_together);
    tcase_add_loop_test(own_case, random_bits_that_are_all_alike_are_no_address, 0, 2);
    tcase_add_test(own_case, no_randomness_is_an_error_and_no_claim);
    tcase_add_test(own_case, new_irk_makes_a_new_rpa);
    tcase_add_test(own_case, mode_change_is_told);
    tcase_add_test(own_case, reset_forgets_claims_and_a_late_reply);
    tcase_add_test(own_case, main_set_shares_the_rpa_and_others_have_their_own);
    tcase_add_test(own_case, sets_can_be_public_or_static);
    tcase_add_test(peers, sample_rpa_resolves_to_its_identity);
    tcase_add_test(peers, what_is_no_rpa_of_a_known_peer_stays_unresolved);
    tcase_add_test(peers, changed_identities_are_not_answered_from_memory);
    tcase_add_test(peers, removal_keeps_the_others);
    tcase_add_test(peers, identities_are_bounded);
    tcase_add_test(peers, heard_again_an_address_is_not_searched_for);
    tcase_add_test(peers, a_change_of_identities_leaves_what_is_known_of_the_others);
    tcase_add_test(peers, answers_are_true_through_a_long_life_of_changes);
    tcase_add_test(peers, a_flood_of_new_addresses_costs_so_much_and_no_more);
    tcase_add_test(peers, few_keys_let_many_addresses_be_tried);
    tcase_add_test(peers, identity_without_key_or_memory_is_refused);
    tcase_add_test(peers, a_peer_is_listed_in_device_mode);
    tcase_add_loop_test(peers, the_list_changes_while_nothing_is_on_the_air, 0, 3);
    tcase_add_test(peers, a_full_list_keeps_who_was_used_lately);
    tcase_add_loop_test(peers, a_key_that_goes_or_changes_leaves_the_list, 0, 2);
    tcase_add_test(peers, a_key_that_goes_while_it_is_being_listed_leaves_too);
    tcase_add_loop_test(peers, what_goes_wrong_ends_the_use_of_the_list_until_a_reset, 0, 9);
    tcase_add_loop_test(peers, a_controller_without_device_mode_or_a_list_is_not_used, 0, 3);
    tcase_add_test(peers, in_network_mode_an_entry_stays_as_it_is_when_new);
    tcase_add_test(peers, another_mode_is_told_of_entries_that_are_there);
    tcase_add_test(peers, in_network_mode_an_identity_address_is_nobodys);
    tcase_add_test(own_case, rpas_are_the_controllers_once_it_has_shown_one);
    tcase_add_loop_test(own_case, a_controller_that_shows_none_leaves_rpas_to_the_host, 0, 6);
    tcase_add_loop_test(own_case, a_controller_that_keeps_its_rpa_loses_our_trust, 0, 2);
    tcase_add_test(own_case, advertising_has_the_controllers_address_while_it_is_trusted);
    tcase_add_test(own_case, directed_advertising_has_the_hosts_address);
    tcase_add_test(own_case, another_key_of_ours_is_shown_anew);
    tcase_add_loop_test(own_case, a_scan_that_goes_wrong_leaves_rpas_to_the_host, 0, 8);
    tcase_add_loop_test(own_case, a_scan_for_an_address_ends_before_anything_else, 0, 4);
    tcase_add_test(own_case, no_address_changes_during_a_scan_for_one);
    tcase_add_test(own_case, without_a_scan_the_list_is_switched_off);
    tcase_add_loop_test(own_case, without_what_it_takes_rpas_are_the_hosts, 0, 6);
    suite_add_tcase(suite, own_case);
    suite_add_tcase(suite, peers);
    return gap_world_main(suite);
}
