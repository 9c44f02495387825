/* SPDX-License-Identifier: MIT */

/* Whatever the controller does or leaves undone: each attempt ends once, its op ends once, and a
 * controller that falls silent ends everything direct in bounded time. */

#include "connector_fixture.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { PEERS = 24, TURNS = 4000 };

static struct {
    uint16_t id; /* 0: no attempt */
    bl_op op;    /* 0: ended */
    bool automatic;
} book[PEERS];
static uint64_t dice_state;
static const struct fake_cmd *outstanding;
static uint16_t linked[8]; /* attempts with a link that is not established */
static unsigned n_linked;

static unsigned dice(unsigned n)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice_state >> 33) % n;
}

static void drain(void)
{
    struct bl_event e;

    while (bl_evq_pop(&events, &e)) {
        unsigned found = 0;
        for (unsigned i = 0; i < PEERS; i++) {
            if (e.kind == BL_EV_ATTEMPT_ENDED && book[i].id == e.attempt_ended.attempt) {
                found++;
                ck_assert_uint_ne(e.attempt_ended.status, BL_OK);
                book[i].id = 0;
            } else if (e.kind == BL_EV_OP_DONE && book[i].op == e.done.op) {
                found++;
                book[i].op = 0;
                if (e.done.status == BL_OK && !book[i].automatic)
                    book[i].id = 0;
            }
        }
        ck_assert_uint_eq(found, 1);
    }
}

static void pump(void)
{
    if (outstanding)
        return;
    outstanding = next();
    ck_assert_ptr_null(fake_hci_take(hci)); /* never two at once */
    hci->n_commands = hci->taken = hci->n_commands > 3000 && !outstanding ? 0 : hci->n_commands;
}

static void answer_somehow(void)
{
    static const uint8_t statuses[] = {0,    0,    0,    0,    0,    0x0c, 0x0c,
                                       0x07, 0x09, 0x0b, 0x12, 0x01, 0x3e};
    struct fake_cmd cmd;

    if (!outstanding)
        return;
    cmd = *outstanding;
    outstanding = NULL;
    if (dice(20) == 0)
        lose(&cmd);
    else
        answer(&cmd, statuses[dice(sizeof(statuses))]);
}

static void complete_somehow(void)
{
    static const uint8_t statuses[] = {0, 0, 0, 0x02, 0x02, 0x3e, 0x3e, 0x09, 0x0c, 0x12};
    struct bl_addr peer = addr((uint8_t)(dice(PEERS + 1) + 1));
    uint8_t status = statuses[dice(sizeof(statuses))];

    uint16_t id = complete(status, &peer);
    if (status != 0)
        ck_assert_uint_eq(id, 0);
    if (id == 0)
        return;
    if (n_linked < ARRAY_LEN(linked))
        linked[n_linked++] = id;
    else
        bl_connector_link_lost(&connector, now, id, &peer, 0x09);
}

static void link_somehow(void)
{
    struct bl_addr peer = addr((uint8_t)(dice(PEERS) + 1));

    if (n_linked > 0) {
        uint16_t id = linked[--n_linked];
        if (dice(2))
            bl_connector_established(&connector, now, id, 1);
        else
            bl_connector_link_lost(&connector, now, id, &peer, dice(2) ? 0x3e : 0x13);
    }
    bl_connector_peer_gone(&connector, now, &peer);
}

static void want_somehow(void)
{
    unsigned i = dice(PEERS);
    struct bl_connect_params p = {.peer = addr((uint8_t)(i + 1)),
                                  .scan_duration_ms = 1 + dice(3000),
                                  .addr_mode = BL_ADDR_MODE_PUBLIC,
                                  .automatic = dice(3) == 0,
                                  .params.latency = (uint16_t)dice(2)};

    if (book[i].id != 0) {
        if (dice(4) == 0)
            ck_assert_int_eq(bl_connector_cancel(&connector, now, book[i].id), 0);
        return;
    }
    book[i].automatic = p.automatic;
    ck_assert_int_eq(bl_connector_connect(&connector, now, &p, &book[i].id, &book[i].op), 0);
}

static void tick_somehow(void)
{
    uint64_t at = bl_connector_deadline(&connector);

    now += dice(400) * MS;
    if (dice(3) == 0 && at != TIMERQ_NEVER && at > now)
        now = at;
    bl_connector_tick(&connector, now);
    ck_assert(bl_connector_deadline(&connector) > now);
}

START_TEST(whatever_the_controller_does_every_attempt_ends_once)
{
    static void (*const acts[])(void) = {answer_somehow,   answer_somehow, answer_somehow,
                                         complete_somehow, link_somehow,   want_somehow,
                                         tick_somehow};

    dice_state = (uint64_t)_i + 1;
    n_linked = 0;
    outstanding = NULL;
    standstill = true;
    memset(book, 0, sizeof(book));
    hci->caps.accept_list = 3;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (dice(50) == 0)
            radio.pause = !radio.pause;
        if (dice(50) == 0)
            hci->cmd_error = -EBUSY;
        acts[dice(ARRAY_LEN(acts))]();
        drain();
        pump();
    }

    ck_assert_uint_gt(connector.initiations, 100);

    /* Silence: commands are lost, no event comes. Links are not the connector's to end. */
    while (n_linked > 0)
        link_somehow();
    radio.pause = false;
    for (unsigned i = 0; i < 2000; i++) {
        struct fake_cmd cmd;
        pump();
        if (outstanding) {
            cmd = *outstanding;
            outstanding = NULL;
            lose(&cmd);
        } else if (bl_connector_deadline(&connector) != TIMERQ_NEVER) {
            now = bl_connector_deadline(&connector);
        }
        bl_connector_tick(&connector, now);
        drain();
    }
    for (unsigned i = 0; i < PEERS; i++)
        ck_assert(book[i].op == 0 && (book[i].id == 0 || book[i].automatic));

    bl_connector_reset(&connector, now, BL_NOT_ACTIVE);
    drain();
    for (unsigned i = 0; i < PEERS; i++)
        ck_assert_uint_eq(book[i].id, 0);
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(connector.count, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/connector_run");
    TCase *t = tcase_create("any controller");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, whatever_the_controller_does_every_attempt_ends_once, 0, 30);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
