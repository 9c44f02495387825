/* SPDX-License-Identifier: MIT */

/* Whatever controller and peers do: a link is announced once and ends once, nothing is told of it
 * outside of that, each operation ends once, and silence ends every operation in bounded time. */

#include "links_fixture.h"
#include "oom.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

enum { HANDLES = 80, TURNS = 6000, OPS = 1024 };

static uint64_t dice_state;
static bool up[0x10000]; /* announced and not ended, by conn */
static bool open_ops[OPS * 64];
static uint16_t conns[BL_MAX_LINKS];
static unsigned n_conns;
static struct fake_cmd waiting[4096];
static unsigned n_waiting;

static unsigned dice(unsigned n)
{
    dice_state = dice_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(dice_state >> 33) % n;
}

static void check_event(const struct bl_event *e)
{
    switch ((int)e->kind) {
    case BL_EV_CONNECTED:
        ck_assert(!up[e->connected.conn]);
        up[e->connected.conn] = true;
        ck_assert_uint_lt(n_conns, BL_MAX_LINKS);
        conns[n_conns++] = e->connected.conn;
        break;
    case BL_EV_DISCONNECTED:
        ck_assert(up[e->disconnected.conn]);
        up[e->disconnected.conn] = false;
        for (unsigned i = 0; i < n_conns; i++)
            if (conns[i] == e->disconnected.conn)
                conns[i--] = conns[--n_conns];
        break;
    case BL_EV_CONN_UPDATED:
        ck_assert(up[e->conn_updated.conn]);
        break;
    case BL_EV_PHY_UPDATED:
        ck_assert(up[e->phy_updated.conn]);
        break;
    case BL_EV_DATA_LENGTH:
        ck_assert(up[e->data_length.conn]);
        break;
    case BL_EV_OP_DONE:
        ck_assert(open_ops[e->done.op]);
        open_ops[e->done.op] = false;
        break;
    default:
        ck_abort_msg("kind %d", e->kind);
    }
}

static void drain(void)
{
    const struct fake_cmd *cmd;
    struct bl_links_news n;
    struct bl_event e;

    while (bl_evq_pop(&events, &e))
        check_event(&e);
    while (bl_links_pop_news(&links, &n))
        if (n.kind == BL_LINKS_LOST)
            ck_assert_uint_eq(n.conn, 0);
    while ((cmd = fake_hci_take(hci))) {
        ck_assert_uint_lt(n_waiting, ARRAY_LEN(waiting));
        waiting[n_waiting++] = *cmd;
    }
    hci->n_commands = hci->taken = 0;
    hci->n_sent = hci->sent_taken = 0;
}

static uint16_t some_handle(void)
{
    return (uint16_t)(1 + dice(HANDLES));
}

static void link_somehow(void)
{
    uint16_t n = some_handle();

    if (dice(8) == 0)
        oom_fail_at(1);
    if (dice(2))
        add(BL_ROLE_CENTRAL, n, (uint16_t)dice(50), 0, false);
    else
        add(BL_ROLE_PERIPHERAL, n, 0, (uint16_t)dice(2), dice(2));
    oom_off();
}

static void event_somehow(void)
{
    static const uint8_t statuses[] = {0, 0, 0, 0x3e, 0x1a, 0x3b, 0x0c};
    struct bl_hci_event e = {.kind = (enum bl_hci_event_kind)(1 + dice(BL_HCI_EV_KINDS)),
                             .status = statuses[dice(sizeof(statuses))],
                             .handle = some_handle()};

    if (e.kind == BL_HCI_EV_CONNECTION_UPDATE)
        e.update.interval = (uint16_t)(6 + dice(100));
    if (e.kind == BL_HCI_EV_PARAM_REQUEST)
        e.param_request.interval_max = (uint16_t)dice(100);
    if (e.kind == BL_HCI_EV_REMOTE_FEATURES)
        e.features.features = dice(4);
    if (e.kind == BL_HCI_EV_DISCONNECTION_COMPLETE)
        e.disconnection.reason = (uint8_t)dice(0x40);
    event(&e);
}

static void pdu_somehow(void)
{
    static const uint8_t codes[] = {0x01, 0x06, 0x12, 0x12, 0x13, 0x13, 0x14, 0x17, 0x99};
    uint16_t n = some_handle();
    uint8_t pdu[26] = {codes[dice(sizeof(codes))], (uint8_t)dice(4), (uint8_t)dice(12)};

    for (unsigned i = 4; i < sizeof(pdu); i++)
        pdu[i] = i % 2 ? 0 : (uint8_t)dice(40);
    signal_pdu(bl_links_pdu(&links, now, n), pdu, dice(sizeof(pdu) + 1));
    bl_links_adv_known(&links, now, some_handle(), &(struct bl_addr){0}, 1);
    bl_links_abandon(&links, now, (uint16_t)dice(50));
}

static void answer_somehow(void)
{
    static const uint8_t statuses[] = {0, 0, 0, 0, 0x01, 0x02, 0x0c, 0x12, 0x1a};
    static const uint8_t returned[] = {3, 0, 2, 2, 0, 0};

    if (n_waiting == 0)
        return;
    struct fake_cmd cmd = waiting[--n_waiting];
    if (dice(20) == 0)
        lose(&cmd);
    else
        answer_with(&cmd, statuses[dice(sizeof(statuses))], returned, dice(sizeof(returned) + 1));
}

static void want_somehow(void)
{
    const struct bl_conn_params p = {.latency = (uint16_t)dice(3), .has_latency = true};
    uint16_t conn = n_conns ? conns[dice(n_conns)] : 1;
    bl_op op = 0;
    int r = 0;

    switch (dice(6)) {
    case 0:
        r = bl_links_disconnect(&links, now, conn, 0, &op);
        break;
    case 1:
        r = bl_links_update(&links, now, conn, &p, &op);
        break;
    case 2:
        r = bl_links_read_rssi(&links, now, conn, &op);
        break;
    case 3:
        r = bl_links_set_phy(&links, now, conn, 1, 0, &op);
        break;
    case 4:
        r = bl_links_set_data_length(&links, now, conn, 27, &op);
        break;
    default:
        if (dice(100) == 0)
            bl_links_disconnect_all(&links, now, 0);
        return;
    }
    ck_assert(r == 0 || (r == -EBUSY && op == 0) || (r == -ENOTCONN && !up[conn]));
    if (r == 0) {
        ck_assert_uint_lt(op, ARRAY_LEN(open_ops));
        ck_assert(!open_ops[op]);
        open_ops[op] = true;
    }
}

static void tick_somehow(void)
{
    now += dice(2000) * MS;
    bl_links_tick(&links, now);
    ck_assert(bl_links_deadline(&links) > now);
}

START_TEST(whatever_happens_a_link_and_an_operation_end_once)
{
    static void (*const acts[])(void) = {
        link_somehow, link_somehow, event_somehow,  event_somehow,  pdu_somehow, want_somehow,
        want_somehow, want_somehow, answer_somehow, answer_somehow, tick_somehow};

    dice_state = (uint64_t)_i + 1;
    n_conns = n_waiting = 0;
    memset(up, 0, sizeof(up));
    memset(open_ops, 0, sizeof(open_ops));
    hci->caps.le_features |= 1u << BL_LE_PERIPHERAL_FEATURES;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        if (dice(30) == 0)
            hci->cmd_error = dice(4) ? -EBUSY : -EOPNOTSUPP;
        if (dice(30) == 0)
            hci->send_error = -ENOBUFS;
        acts[dice(ARRAY_LEN(acts))]();
        drain();
        ck_assert_uint_le(bl_links_count(&links), BL_MAX_LINKS);
    }
    ck_assert_uint_gt(links.closed, 50);

    hci->cmd_error = hci->send_error = 0;
    for (unsigned i = 0; i < 1000; i++) { /* silence */
        while (n_waiting > 0) {
            struct fake_cmd cmd = waiting[--n_waiting];
            lose(&cmd);
        }
        if (bl_links_deadline(&links) != TIMERQ_NEVER && bl_links_deadline(&links) > now)
            now = bl_links_deadline(&links);
        bl_links_tick(&links, now);
        drain();
    }
    ck_assert_uint_eq(events.open_ops, 0);
    ck_assert_uint_eq(bl_links_deadline(&links), TIMERQ_NEVER);

    bl_links_reset(&links, now, BL_NOT_ACTIVE);
    drain();
    ck_assert_uint_eq(n_conns, 0);
    ck_assert_uint_eq(bl_links_count(&links), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/link_event");
    TCase *t = tcase_create("any controller and peer");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, whatever_happens_a_link_and_an_operation_end_once, 0, 20);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
