/* SPDX-License-Identifier: MIT */

/*
 * Every way of pairing is stopped at every PDU, where people do not answer and where controllers do
 * not encrypt; whoever waits then is given, each time as a copy, everything that may come.
 */

#include "pair.h"

#include "base/timerq.h"
#include "smp/pairing_internal.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define START 1000u

/* ---- stops ---- */

struct stop {
    unsigned at, seen;
};

static void drop_one(struct pair *w, bool from_initiator, uint8_t *pdu, size_t *n)
{
    struct stop *stop = w->arg;

    (void)from_initiator;
    (void)pdu;
    if (stop->seen++ == stop->at)
        *n = 0;
}

static void run_to(struct pair *w, enum pair_way way, struct stop *stop)
{
    pair_init_way(w, way);
    w->now = START;
    w->tamper = drop_one;
    w->arg = stop;
    pair_start(w);
}

static unsigned pdus_of(enum pair_way way)
{
    struct stop stop = {.at = UINT32_MAX};
    struct pair w;

    run_to(&w, way, &stop);
    pair_run(&w);
    pair_assert_done(&w);
    pair_deinit(&w);
    return stop.seen;
}

typedef void look_fn(const struct pair *w, const struct bl_pairing *p);

static unsigned looked[2][PAIRING_STATES]; /* by initiator, state */

static void look_at(const struct pair *w, const struct pair_side *s, look_fn *look)
{
    if (!s->p || s->done || s->failed)
        return;
    looked[s->p->params.initiator][s->p->state]++;
    look(w, s->p);
}

static void at_every_stop(look_fn *look)
{
    for (enum pair_way way = 0; way < WAYS; way++) {
        unsigned n = pdus_of(way);
        for (unsigned k = 0; k < n + 2; k++) {
            struct stop stop = {.at = k};
            struct pair w;

            run_to(&w, way, &stop);
            w.people = k != n;
            w.unplugged = k == n + 1;
            pair_run(&w);
            look_at(&w, &w.i, look);
            look_at(&w, &w.r, look);
            pair_deinit(&w);
        }
    }
    for (enum pairing_state state = PAIRING_STATE_OVER + 1; state < PAIRING_STATES; state++) {
        bool initiators = state == PAIRING_STATE_RESPONSE || state == PAIRING_STATE_USER;
        ck_assert_msg(looked[1][state] > 0, "initiator in state %d", state);
        ck_assert_msg(initiators || looked[0][state] > 0, "responder in state %d", state);
    }
}

/* ---- what must be true of whoever has ended ---- */

static void assert_silent(struct bl_pairing *p)
{
    struct bl_pairing_out out;

    ck_assert(!bl_pairing_next(p, &out));
}

static bool gives_a_key(const struct bl_pairing *p)
{
    static const uint8_t zero[8];
    uint8_t key[16];

    return bl_pairing_ltk(p, 0, zero, key);
}

/* Nothing wakes it up again. */
static void assert_over(struct bl_pairing *p)
{
    static const uint8_t zeros[16];
    uint8_t pdu[BL_SMP_MTU] = {0};

    assert_silent(p);
    ck_assert_int_eq(p->state, PAIRING_STATE_OVER);
    ck_assert_uint_eq(bl_pairing_deadline(p), TIMERQ_NEVER);
    ck_assert(!gives_a_key(p));
    ck_assert_mem_eq(p->key, zeros, 16);
    for (uint8_t code = 0; code < BL_SMP_CODES; code++) {
        pdu[0] = code;
        bl_pairing_receive(p, START, pdu, bl_smp_len(code));
    }
    for (enum bl_smp_user user = 0; user <= BL_SMP_USER_COMPARE; user++)
        ck_assert(!bl_pairing_passkey(p, START, user, 1));
    ck_assert(!bl_pairing_keypress(p, START, 0));
    bl_pairing_encrypted(p, START, true);
    bl_pairing_refuse(p, START);
    bl_pairing_tick(p, UINT64_MAX - 1);
    assert_silent(p);
}

/* It has said so to its peer and to its owner, and nothing else. */
static void assert_failed(struct bl_pairing *p, uint8_t reason)
{
    struct bl_pairing_out out;

    ck_assert(bl_pairing_next(p, &out));
    ck_assert_int_eq(out.kind, BL_PAIRING_SEND);
    ck_assert_uint_eq(out.send.n, 2);
    ck_assert_uint_eq(out.send.pdu[0], BL_SMP_FAILED);
    ck_assert_msg(out.send.pdu[1] == reason, "%u for %u", out.send.pdu[1], reason);
    ck_assert(bl_pairing_next(p, &out));
    ck_assert_int_eq(out.kind, BL_PAIRING_FAILED);
    ck_assert_int_eq(out.status, BL_STATUS_SMP + reason);
    assert_over(p);
}

/* ---- PDUs ---- */

/* Which one a state is for; written down apart from the rows of the machine. */
static bool is_its_own(const struct bl_pairing *p, uint8_t code)
{
    const uint8_t none = 0;
    const uint8_t codes[PAIRING_STATES] = {
        [PAIRING_STATE_OVER] = none,
        [PAIRING_STATE_RESPONSE] = 0x02,
        [PAIRING_STATE_CONFIRM] = 0x03,
        [PAIRING_STATE_RANDOM] = 0x04,
        [PAIRING_STATE_USER] = none,
        [PAIRING_STATE_PUBLIC_KEY] = 0x0c,
        [PAIRING_STATE_COMPARE] = p->params.initiator ? none : 0x0d,
        [PAIRING_STATE_CHECK] = 0x0d,
        [PAIRING_STATE_ENCRYPTION] = none,
        [PAIRING_STATE_KEYS] = p->keys_next,
    };

    if (code == 0x0e) /* while the peer may be typing */
        return p->params.keypress && !p->params.initiator && p->state == PAIRING_STATE_CONFIRM &&
               p->round == 0 && !p->has_peer_confirm;
    return code != none && code == codes[p->state];
}

static void give(struct bl_pairing *p, uint8_t code, uint8_t fill, size_t n)
{
    uint8_t *pdu = malloc(n); /* of the size, for the sanitizers */

    ck_assert_ptr_nonnull(pdu);
    memset(pdu, fill, n);
    pdu[0] = code;
    bl_pairing_receive(p, START, pdu, n);
    free(pdu);
}

/* A value that nobody computed brings no key. */
static void give_nonsense(const struct bl_pairing *p, uint8_t code)
{
    struct bl_pairing copy = *p;
    struct bl_pairing_out out;

    give(&copy, code, 0x03, bl_smp_len(code));
    while (bl_pairing_next(&copy, &out)) {
        ck_assert_int_ne(out.kind, BL_PAIRING_ENCRYPT);
        ck_assert(out.kind != BL_PAIRING_DONE || p->state == PAIRING_STATE_KEYS);
    }
    ck_assert(!gives_a_key(&copy));
}

static void give_every_code(const struct pair *w, const struct bl_pairing *p)
{
    (void)w;
    for (uint8_t code = 1; code < BL_SMP_CODES; code++) {
        struct bl_pairing copy = *p;

        if (code == BL_SMP_FAILED)
            continue;
        if (is_its_own(p, code)) {
            give_nonsense(p, code);
            continue;
        }
        give(&copy, code, 0x03, bl_smp_len(code));
        assert_failed(&copy, BL_SMP_UNSPECIFIED_REASON);
    }
}

START_TEST(a_pdu_in_a_state_that_is_not_its_own_ends_the_pairing)
{
    at_every_stop(give_every_code);
}
END_TEST

static void give_every_length(const struct pair *w, const struct bl_pairing *p)
{
    static const uint8_t unknown[] = {0x00, 0x0f, 0x10, 0x80, 0xff};

    (void)w;
    for (uint8_t code = 1; code < BL_SMP_CODES; code++) {
        const size_t lengths[] = {1, bl_smp_len(code) - 1, bl_smp_len(code) + 1, 200};
        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            struct bl_pairing copy = *p;
            give(&copy, code, 1, lengths[i]);
            assert_failed(&copy, BL_SMP_INVALID_PARAMETERS);
        }
    }
    for (size_t i = 0; i < sizeof(unknown); i++) {
        struct bl_pairing copy = *p;
        give(&copy, unknown[i], 1, 1 + i);
        assert_failed(&copy, BL_SMP_COMMAND_NOT_SUPPORTED);
    }
    struct bl_pairing copy = *p;
    bl_pairing_receive(&copy, START, NULL, 0);
    ck_assert_mem_eq(&copy, p, sizeof(copy));
}

START_TEST(a_pdu_of_another_length_or_an_unknown_code_ends_the_pairing)
{
    at_every_stop(give_every_length);
}
END_TEST

static void give_pairing_failed(const struct pair *w, const struct bl_pairing *p)
{
    (void)w;
    for (unsigned reason = 0; reason < 256; reason += 5) {
        struct bl_pairing copy = *p;
        struct bl_pairing_out out;

        give(&copy, BL_SMP_FAILED, (uint8_t)reason, 2);
        ck_assert(bl_pairing_next(&copy, &out)); /* and no answer */
        ck_assert_int_eq(out.kind, BL_PAIRING_FAILED);
        ck_assert_int_eq(out.status, BL_STATUS_SMP + (reason ? (int)reason : 8));
        assert_over(&copy);
    }
}

START_TEST(pairing_failed_ends_the_pairing_at_any_time)
{
    at_every_stop(give_pairing_failed);
}
END_TEST

/* ---- keys and encryption ---- */

static void ask_for_a_key(const struct pair *w, const struct bl_pairing *p)
{
    uint8_t key[16] = {0}, rand[8] = {0};
    bool now = p->state == PAIRING_STATE_ENCRYPTION && !p->params.initiator;

    (void)w;
    ck_assert(bl_pairing_ltk(p, 0, rand, key) == now);
    ck_assert(!bl_pairing_ltk(p, 1, rand, key));
    ck_assert(!bl_pairing_ltk(p, 0x0100, rand, key));
    for (size_t i = 0; i < 8; i++) {
        rand[i] = 0x80;
        ck_assert(!bl_pairing_ltk(p, 0, rand, key));
        rand[i] = 0;
    }
}

START_TEST(a_key_is_given_for_ediv_and_rand_zero_after_the_checks_and_before_the_keys)
{
    at_every_stop(ask_for_a_key);
}
END_TEST

static void claim_encryption(const struct pair *w, const struct bl_pairing *p)
{
    struct bl_pairing copy = *p;

    (void)w;
    if (p->state == PAIRING_STATE_ENCRYPTION) {
        bl_pairing_encrypted(&copy, START, false);
        assert_failed(&copy, BL_SMP_UNSPECIFIED_REASON);
        return;
    }
    bl_pairing_encrypted(&copy, START, true);
    bl_pairing_encrypted(&copy, START, false);
    ck_assert_mem_eq(&copy, p, sizeof(copy));
}

START_TEST(encryption_that_nobody_waits_for_changes_nothing)
{
    at_every_stop(claim_encryption);
}
END_TEST

/* ---- people ---- */

static void answer_wrongly(const struct pair *w, const struct bl_pairing *p)
{
    struct bl_pairing copy = *p;

    (void)w;
    for (enum bl_smp_user user = 0; user <= BL_SMP_USER_COMPARE; user++)
        if (user != p->user || user == BL_SMP_USER_NOTHING)
            ck_assert(!bl_pairing_passkey(&copy, START, user, 1));
    if (p->user != BL_SMP_USER_COMPARE)
        ck_assert(!bl_pairing_passkey(&copy, START, p->user, 1000000));
    if (p->user != BL_SMP_USER_INPUT || !p->params.keypress)
        ck_assert(!bl_pairing_keypress(&copy, START, 1));
    ck_assert(!bl_pairing_keypress(&copy, START, 5));
    ck_assert_mem_eq(&copy, p, sizeof(copy));
    if (p->user != BL_SMP_USER_NOTHING) {
        ck_assert(bl_pairing_passkey(&copy, START, p->user, 1));
        ck_assert(!bl_pairing_passkey(&copy, START, p->user, 1)); /* once */
    }
}

START_TEST(an_answer_that_was_not_asked_for_is_not_taken)
{
    at_every_stop(answer_wrongly);
}
END_TEST

static void refuse(const struct pair *w, const struct bl_pairing *p)
{
    struct bl_pairing copy = *p;
    bool compares = p->user == BL_SMP_USER_COMPARE;

    (void)w;
    bl_pairing_refuse(&copy, START);
    assert_failed(&copy, compares ? BL_SMP_NUMERIC_COMPARISON_FAILED : BL_SMP_PASSKEY_ENTRY_FAILED);
    if (!compares)
        return;
    copy = *p;
    ck_assert(bl_pairing_passkey(&copy, START, BL_SMP_USER_COMPARE, 0));
    assert_failed(&copy, BL_SMP_NUMERIC_COMPARISON_FAILED);
}

START_TEST(a_person_may_refuse_at_any_time)
{
    at_every_stop(refuse);
}
END_TEST

/* ---- time ---- */

static void wait_for_it(const struct pair *w, const struct bl_pairing *p)
{
    struct bl_pairing copy = *p;
    struct bl_pairing_out out;
    const uint64_t end = START + BL_SMP_TIMEOUT_US;

    (void)w;
    ck_assert_uint_eq(bl_pairing_deadline(p), end);
    bl_pairing_tick(&copy, end - 1);
    ck_assert_mem_eq(&copy, p, sizeof(copy));
    bl_pairing_tick(&copy, end);
    ck_assert(bl_pairing_next(&copy, &out)); /* and no PDU */
    ck_assert_int_eq(out.kind, BL_PAIRING_FAILED);
    ck_assert_int_eq(out.status, BL_TIMEOUT);
    assert_over(&copy);
}

START_TEST(thirty_seconds_after_the_last_pdu_it_is_over)
{
    at_every_stop(wait_for_it);
}
END_TEST

/* Only what is sent or received begins the 30 s anew. */
static void answer_late(const struct pair *w, const struct bl_pairing *p)
{
    const uint64_t late = START + 10000000;
    struct bl_pairing copy = *p;
    struct bl_pairing_out out;
    bool sent = false;

    if (p->user == BL_SMP_USER_NOTHING)
        return;
    ck_assert(
        bl_pairing_passkey(&copy, late, p->user, p->user == BL_SMP_USER_COMPARE ? 1 : w->passkey));
    while (bl_pairing_next(&copy, &out))
        sent |= out.kind == BL_PAIRING_SEND;
    ck_assert_uint_eq(bl_pairing_deadline(&copy), (sent ? late : START) + BL_SMP_TIMEOUT_US);
}

START_TEST(an_answer_without_a_pdu_gives_no_more_time)
{
    at_every_stop(answer_late);
}
END_TEST

/* ---- randomness ---- */

START_TEST(without_randomness_it_fails_whenever_that_happens)
{
    for (enum pair_way way = 0; way < WAYS; way++)
        for (unsigned n = 1;; n++) {
            struct pair w;

            pair_init_way(&w, way);
            w.random_fails_at = n;
            pair_start(&w);
            pair_run(&w);
            bool reached = w.randoms >= n;
            if (!reached)
                pair_assert_done(&w);
            else if (!w.i.done && !w.r.done)
                pair_assert_failed(&w, BL_STATUS_SMP + BL_SMP_UNSPECIFIED_REASON);
            else /* the responder had its keys, and the initiator none for it */
                ck_assert(w.r.done != w.i.done && (w.i.failed || w.r.failed));
            pair_deinit(&w);
            if (!reached)
                break;
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pairing/states");
    TCase *t = tcase_create("states");

    tcase_set_timeout(t, 120);
    tcase_add_test(t, a_pdu_in_a_state_that_is_not_its_own_ends_the_pairing);
    tcase_add_test(t, a_pdu_of_another_length_or_an_unknown_code_ends_the_pairing);
    tcase_add_test(t, pairing_failed_ends_the_pairing_at_any_time);
    tcase_add_test(t, a_key_is_given_for_ediv_and_rand_zero_after_the_checks_and_before_the_keys);
    tcase_add_test(t, encryption_that_nobody_waits_for_changes_nothing);
    tcase_add_test(t, an_answer_that_was_not_asked_for_is_not_taken);
    tcase_add_test(t, a_person_may_refuse_at_any_time);
    tcase_add_test(t, thirty_seconds_after_the_last_pdu_it_is_over);
    tcase_add_test(t, an_answer_without_a_pdu_gives_no_more_time);
    tcase_add_test(t, without_randomness_it_fails_whenever_that_happens);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
