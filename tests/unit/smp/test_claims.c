/* SPDX-License-Identifier: MIT */

/* Who a peer says that it is, and what that is worth: security of links on a recording stand-in for
 * lib/hci, with an engine of its own at the other end, which may claim what it likes. */

#include "crypto/crypto.h"
#include "fake_hci.h"
#include "hci/cmd.h"
#include "smp/smp.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { HANDLE = 0x40, CONN = 1 };

static struct bl_hci *hci;
static struct bl_evq events;
static struct bl_config config;
static struct bl_smp *smp;
static struct bl_pairing *engine; /* the peer's */
static struct bl_pairing_params theirs;
static bool their_end; /* done or failed */
static uint32_t seed;

static const struct bl_addr own = {ADDR_PUBLIC, {1, 2, 3, 4, 5, 6}};
static const struct bl_addr lock = {ADDR_PUBLIC, {1, 1, 1, 1, 1, 1}}; /* is bonded */
static const struct bl_addr gadget = {ADDR_PUBLIC, {2, 2, 2, 2, 2, 2}};

static int some_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = (uint8_t)((seed = seed * 1103515245u + 12345u) >> 16);
    return 0;
}

static const struct bl_env env = {.random = some_random};

static void setup(void)
{
    const struct bl_bond bond = {.identity = lock,
                                 .authenticated = true,
                                 .secure_connections = true,
                                 .has_local_ltk = true,
                                 .has_peer_ltk = true,
                                 .local_ltk = {.key = {0x11}, .size = 16},
                                 .peer_ltk = {.key = {0x11}, .size = 16}};

    seed = 1;
    hci = fake_hci_new(false);
    ck_assert_int_eq(bl_evq_init(&events), 0);
    config = (struct bl_config){.io = BL_IO_DISPLAY_YES_NO, .bond = true, .pairable = true};
    smp = bl_smp_new(hci, &env, &events, &config);
    ck_assert_ptr_nonnull(smp);
    bl_smp_ready(smp, &own);
    ck_assert_int_eq(bl_smp_bond_add(smp, 0, &bond), 0);
    theirs = (struct bl_pairing_params){.env = &env,
                                        .peer = own,
                                        .io = BL_IO_NONE,
                                        .bond = true,
                                        .secure_connections = true,
                                        .min_key_size = 16,
                                        .max_key_size = 16,
                                        .has_irk = true,
                                        .irk = {0x77}};
    engine = NULL;
    their_end = false;
}

static void teardown(void)
{
    bl_pairing_free(engine);
    bl_smp_free(smp);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

/* The peer's address on the air, who we know it to be (NULL: nobody), and who it says it is. */
static void meets(enum bl_role role, const struct bl_addr *air, const struct bl_addr *known,
                  const struct bl_addr *says)
{
    struct bl_smp_link link = {
        .conn = CONN, .handle = HANDLE, .role = role, .own = own, .peer = *air};

    if (known)
        link.identity = *known;
    ck_assert_int_eq(bl_smp_open(smp, 0, &link), 0);
    theirs.own = *air;
    theirs.identity = *says;
    theirs.initiator = role == BL_ROLE_PERIPHERAL;
    if (theirs.initiator)
        engine = bl_pairing_new(0, &theirs, NULL);
}

/* An address that is made with the peer's key. */
static struct bl_addr private_address(void)
{
    struct bl_addr a = {ADDR_RANDOM, {0, 0, 0, 5, 6, 0x47}};

    ck_assert_int_eq(bl_crypto_ah(theirs.irk, a.b + 3, a.b), 0);
    return a;
}

/* Both controllers: encrypted with the key that the central's side has. */
static void encrypt(void)
{
    const struct bl_hci_event e = {
        .kind = BL_HCI_EV_ENCRYPTION_CHANGE, .handle = HANDLE, .encryption = {1, 0}};

    bl_smp_event(smp, 0, CONN, &e);
    bl_pairing_encrypted(engine, 0, true);
}

static void their_turn(const struct bl_pairing_out *out)
{
    const struct bl_hci_event e = {.kind = BL_HCI_EV_LTK_REQUEST, .handle = HANDLE};

    if (out->kind == BL_PAIRING_SEND) {
        bl_smp_pdu(smp, 0, CONN, out->send.pdu, out->send.n);
    } else if (out->kind == BL_PAIRING_ENCRYPT) {
        bl_smp_event(smp, 0, CONN, &e);
        const struct fake_cmd *cmd = fake_hci_take(hci);
        ck_assert(cmd && cmd->opcode == BL_CMD_LE_LTK_REPLY);
        ck_assert_mem_eq(cmd->params + 2, out->key, 16);
        encrypt();
    } else if (out->kind == BL_PAIRING_ASK) {
        ck_assert(bl_pairing_passkey(engine, 0, out->ask.user, 1));
    } else if (out->kind == BL_PAIRING_DONE || out->kind == BL_PAIRING_FAILED) {
        their_end = true;
    }
}

static bool our_turn(void)
{
    const struct fake_sent *s = fake_hci_take_sent(hci);
    const struct fake_cmd *cmd = s ? NULL : fake_hci_take(hci);

    if (s && !engine && s->data[4] == BL_SMP_PAIRING_REQUEST)
        engine = bl_pairing_new(0, &theirs, s->data + 4);
    else if (s && engine)
        bl_pairing_receive(engine, 0, s->data + 4, s->n - 4);
    else if (cmd && cmd->opcode == BL_CMD_LE_ENABLE_ENCRYPTION)
        encrypt();
    return s || cmd;
}

/* Until nothing moves; a person here says yes to what is compared. The last event of the outcome.
 */
static struct bl_event outcome(void)
{
    struct bl_event e, last = {.kind = BL_EV_KINDS};
    struct bl_pairing_out out;
    bool moved = true;

    while (moved) {
        moved = our_turn();
        while (engine && bl_pairing_next(engine, &out)) {
            their_turn(&out);
            moved = true;
        }
        while (bl_evq_pop(&events, &e)) {
            if (e.kind == BL_EV_PASSKEY)
                ck_assert_int_eq(bl_smp_passkey(smp, 0, CONN, BL_PASSKEY_COMPARE, 1), 0);
            else if (e.kind == BL_EV_ENCRYPTED || e.kind == BL_EV_PAIRING_FAILED)
                last = e;
            moved = true;
        }
    }
    ck_assert(their_end);
    return last;
}

static bool bonded_with(const struct bl_addr *who)
{
    return bl_bonds_find(bl_smp_bonds(smp), who) != NULL;
}

static void lock_is_what_it_was(void)
{
    const struct bl_bond *bond = bl_bonds_find(bl_smp_bonds(smp), &lock);

    ck_assert_ptr_nonnull(bond);
    ck_assert(bond->authenticated && bond->local_ltk.key[0] == 0x11 && !bond->has_irk);
}

/* _i: 1 a person has compared numbers with it; 2 we are central */
START_TEST(a_name_that_is_not_its_address_is_nobodys)
{
    const struct bl_pair_params want = {0};
    enum bl_role role = _i & 2 ? BL_ROLE_CENTRAL : BL_ROLE_PERIPHERAL;
    bl_op op;

    theirs.mitm = _i & 1;
    theirs.io = _i & 1 ? BL_IO_DISPLAY_YES_NO : BL_IO_NONE;
    meets(role, &gadget, NULL, &lock);
    if (role == BL_ROLE_CENTRAL)
        ck_assert_int_eq(bl_smp_pair(smp, 0, CONN, &want, &op), 0);
    struct bl_event e = outcome();
    ck_assert_int_eq(e.kind, BL_EV_ENCRYPTED);
    ck_assert(e.encrypted.authenticated == (_i & 1));
    lock_is_what_it_was();
    ck_assert(bonded_with(&gadget)); /* by what it is on the air */
}
END_TEST

START_TEST(a_name_never_heard_before_is_not_taken_either)
{
    const struct bl_addr stranger = {ADDR_PUBLIC, {3, 3, 3, 3, 3, 3}};

    meets(BL_ROLE_PERIPHERAL, &gadget, NULL, &stranger);
    ck_assert_int_eq(outcome().kind, BL_EV_ENCRYPTED);
    ck_assert(bonded_with(&gadget) && !bonded_with(&stranger));
}
END_TEST

START_TEST(whoever_made_its_address_is_who_it_says)
{
    const struct bl_addr air = private_address();

    meets(BL_ROLE_PERIPHERAL, &air, NULL, &gadget);
    ck_assert_int_eq(outcome().kind, BL_EV_ENCRYPTED);
    ck_assert(bonded_with(&gadget));
}
END_TEST

/* Its own key makes its address, and says nothing of the name. */
START_TEST(a_claimed_name_takes_no_bonds_place)
{
    const struct bl_addr air = private_address();
    struct bl_smp_news news;
    bool dropped = false;

    theirs.mitm = _i;
    theirs.io = _i ? BL_IO_DISPLAY_YES_NO : BL_IO_NONE;
    meets(BL_ROLE_PERIPHERAL, &air, NULL, &lock);
    struct bl_event e = outcome();
    ck_assert_int_eq(e.kind, BL_EV_PAIRING_FAILED);
    ck_assert_uint_eq(e.pairing_failed.status, BL_STATUS_SMP + BL_SMP_AUTHENTICATION_REQUIREMENTS);
    while (bl_smp_pop_news(smp, &news))
        dropped |= news.kind == BL_SMP_DROP;
    ck_assert(dropped);
    lock_is_what_it_was();
}
END_TEST

/* _i: 0 we ourselves, 1 somebody who is connected, and not bonded (yet) */
START_TEST(a_name_that_is_in_use_here_is_not_taken)
{
    const struct bl_addr air = private_address();
    const struct bl_addr *says = _i ? &gadget : &own;
    const struct bl_smp_link other = {.conn = CONN + 1,
                                      .handle = HANDLE + 1,
                                      .role = BL_ROLE_PERIPHERAL,
                                      .own = own,
                                      .peer = gadget};

    if (_i)
        ck_assert_int_eq(bl_smp_open(smp, 0, &other), 0);
    meets(BL_ROLE_PERIPHERAL, &air, NULL, says);
    ck_assert_int_eq(outcome().kind, _i ? BL_EV_ENCRYPTED : BL_EV_PAIRING_FAILED);
    ck_assert(!bonded_with(says));
}
END_TEST

/* Else one link could make a bond for each name it thinks of. */
START_TEST(who_is_known_stays_who_it_is)
{
    const struct bl_addr air = private_address(), other = {ADDR_PUBLIC, {4, 4, 4, 4, 4, 4}};

    meets(BL_ROLE_PERIPHERAL, &air, &gadget, &other);
    ck_assert_int_eq(outcome().kind, BL_EV_ENCRYPTED);
    ck_assert(bonded_with(&gadget) && !bonded_with(&other));
}
END_TEST

START_TEST(protection_that_came_to_nothing_is_not_tried_again)
{
    static const uint8_t request[] = {BL_SMP_SECURITY_REQUEST, BL_SMP_AUTH_MITM | BL_SMP_AUTH_SC};

    meets(BL_ROLE_CENTRAL, &gadget, NULL, &gadget);
    bl_smp_pdu(smp, 0, CONN, request, sizeof(request));
    struct bl_event e = outcome();
    ck_assert_int_eq(e.kind, BL_EV_ENCRYPTED);
    ck_assert(!e.encrypted.authenticated); /* it has neither keys nor a display */
    bl_smp_pdu(smp, 0, CONN, request, sizeof(request));
    ck_assert_ptr_null(fake_hci_take_sent(hci));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("claims");
    TCase *t = tcase_create("claims");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_name_that_is_not_its_address_is_nobodys, 0, 4);
    tcase_add_test(t, a_name_never_heard_before_is_not_taken_either);
    tcase_add_test(t, whoever_made_its_address_is_who_it_says);
    tcase_add_loop_test(t, a_claimed_name_takes_no_bonds_place, 0, 2);
    tcase_add_loop_test(t, a_name_that_is_in_use_here_is_not_taken, 0, 2);
    tcase_add_test(t, who_is_known_stays_who_it_is);
    tcase_add_test(t, protection_that_came_to_nothing_is_not_tried_again);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
