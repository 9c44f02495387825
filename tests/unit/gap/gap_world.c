/* SPDX-License-Identifier: MIT */

/* gap_world: see the header. */

#include "gap_world.h"

#include "base/timerq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int world_random(void *ctx, void *out, size_t n)
{
    struct gap_world *w = ctx;
    uint8_t *bytes = out;

    if (w->random_fails)
        return -EIO;
    for (size_t i = 0; i < n; i++) {
        w->random = w->random * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = w->random_fills >= 0 ? (uint8_t)w->random_fills : (uint8_t)(w->random >> 56);
    }
    return 0;
}

struct gap_world *gap_world_new(bool extended)
{
    struct gap_world *w = calloc(1, sizeof(*w));

    ck_assert_ptr_nonnull(w);
    w->now = 1000000;
    w->random_fills = -1;
    w->hci = fake_hci_new(extended);
    w->env = (struct bl_env){.random = world_random, .ctx = w};
    ck_assert_int_eq(bl_evq_init(&w->events), 0);
    w->radio = (struct bl_radio){.hci = w->hci, .env = &w->env, .events = &w->events};
    bl_privacy_init(&w->privacy, &w->radio);
    ck_assert_int_eq(bl_advertiser_init(&w->adv, &w->radio, &w->privacy), 0);
    return w;
}

void gap_world_free(struct gap_world *w)
{
    bl_advertiser_deinit(&w->adv);
    bl_privacy_deinit(&w->privacy);
    bl_evq_deinit(&w->events);
    fake_hci_free(w->hci);
    free(w);
}

void gap_world_ready(struct gap_world *w)
{
    w->radio.ready = true;
    bl_privacy_ready(&w->privacy, w->now);
}

void gap_world_step(struct gap_world *w)
{
    uint64_t before = w->hci->total;
    bool queued = false;

    if (w->radio.outstanding)
        return;
    queued = bl_privacy_step(&w->privacy, w->now) || bl_advertiser_step(&w->adv, w->now);
    ck_assert_uint_eq(w->hci->total - before, queued);
    ck_assert(queued == w->radio.outstanding);
}

const struct fake_cmd *gap_world_expect(struct gap_world *w, uint16_t opcode, const char *hex)
{
    gap_world_step(w);

    const struct fake_cmd *cmd = fake_hci_take(w->hci);
    ck_assert_msg(cmd, "no command, expected 0x%04x", opcode);
    ck_assert_msg(cmd->opcode == opcode, "0x%04x, expected 0x%04x", cmd->opcode, opcode);
    if (!hex)
        return cmd;

    uint8_t want[256];
    size_t n = 0;
    for (const char *p = hex; *p;) {
        unsigned byte;
        int used;
        if (*p == ' ') {
            p++;
            continue;
        }
        ck_assert_int_eq(sscanf(p, "%2x%n", &byte, &used), 1);
        want[n++] = (uint8_t)byte;
        p += used;
    }
    ck_assert_uint_eq(cmd->n, n);
    ck_assert_mem_eq(cmd->params, want, n);
    return cmd;
}

static void world_reply(struct gap_world *w, const struct bl_hci_reply *reply)
{
    w->radio.outstanding = false;
    if (reply->owner == BL_HCI_OWNER_PRIVACY)
        bl_privacy_reply(&w->privacy, w->now, reply);
    else
        bl_advertiser_reply(&w->adv, w->now, reply);
    gap_world_step(w);
}

void gap_world_answer(struct gap_world *w, const struct fake_cmd *cmd, uint8_t status)
{
    struct bl_hci_reply reply = fake_hci_reply(cmd, status, NULL, 0);

    world_reply(w, &reply);
}

void gap_world_lose(struct gap_world *w, const struct fake_cmd *cmd)
{
    struct bl_hci_reply reply = fake_hci_lost(cmd);

    world_reply(w, &reply);
}

const struct fake_cmd *gap_world_do(struct gap_world *w, uint16_t opcode, const char *hex)
{
    const struct fake_cmd *cmd = gap_world_expect(w, opcode, hex);

    gap_world_answer(w, cmd, 0);
    return cmd;
}

void gap_world_quiet(struct gap_world *w)
{
    gap_world_step(w);

    const struct fake_cmd *cmd = fake_hci_take(w->hci);
    ck_assert_msg(!cmd, "0x%04x, expected nothing", cmd ? cmd->opcode : 0);
}

unsigned gap_world_run(struct gap_world *w)
{
    const struct fake_cmd *cmd;
    unsigned n = 0;

    gap_world_step(w);
    while ((cmd = fake_hci_take(w->hci)) != NULL) {
        gap_world_answer(w, cmd, 0);
        ck_assert_uint_lt(++n, 1000); /* or it goes round in circles */
    }
    return n;
}

static uint64_t world_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void gap_world_pass(struct gap_world *w, uint64_t until)
{
    uint64_t last = 0;

    gap_world_run(w);
    for (;;) {
        uint64_t at = world_min(bl_privacy_deadline(&w->privacy), bl_advertiser_deadline(&w->adv));
        if (at > until)
            break;
        ck_assert_msg(at > last, "a deadline that a tick does not move");
        last = at;
        if (at > w->now)
            w->now = at;
        bl_privacy_tick(&w->privacy, w->now);
        bl_advertiser_tick(&w->adv, w->now);
        gap_world_run(w);
    }
    w->now = until;
}

bool gap_world_event(struct gap_world *w, struct bl_event *ret)
{
    return bl_evq_pop(&w->events, ret);
}

void gap_world_no_event(struct gap_world *w)
{
    struct bl_event e = {0};

    ck_assert_msg(!gap_world_event(w, &e), "an event of kind %d", (int)e.kind);
}

void gap_world_op_done(struct gap_world *w, bl_op op, bl_status status)
{
    struct bl_event e;

    ck_assert(gap_world_event(w, &e));
    ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
    ck_assert_uint_eq(e.done.op, op);
    ck_assert_uint_eq(e.done.status, status);
}

void gap_world_adv_stopped(struct gap_world *w, uint16_t adv, bl_status status)
{
    struct bl_event e;

    ck_assert(gap_world_event(w, &e));
    ck_assert_int_eq(e.kind, BL_EV_ADV_STOPPED);
    ck_assert_uint_eq(e.adv_stopped.adv, adv);
    ck_assert_uint_eq(e.adv_stopped.status, status);
}

struct bl_adv_params gap_world_params(const char *data)
{
    return (struct bl_adv_params){.interval_us = 100000,
                                  .connectable = true,
                                  .scannable = true,
                                  .addr_mode = BL_ADDR_MODE_DEFAULT,
                                  .adv_data = (const uint8_t *)data,
                                  .adv_len = strlen(data)};
}

uint16_t gap_world_start(struct gap_world *w, uint16_t adv, const struct bl_adv_params *params,
                         bl_op *op)
{
    uint16_t ret = 0;

    *op = 0;
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, adv, params, &ret, op), 0);
    ck_assert_uint_ne(ret, 0);
    ck_assert_uint_ne(*op, 0);
    if (adv != 0)
        ck_assert_uint_eq(ret, adv);
    return ret;
}

uint16_t gap_world_started(struct gap_world *w, const struct bl_adv_params *params)
{
    bl_op op;
    uint16_t adv = gap_world_start(w, 0, params, &op);

    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
    return adv;
}

uint16_t gap_world_connected(struct gap_world *w, uint16_t handle, uint8_t status)
{
    struct bl_hci_event e = {.kind = BL_HCI_EV_CONNECTION_COMPLETE,
                             .status = status,
                             .handle = handle,
                             .connection = {.role = BL_ROLE_PERIPHERAL}};

    if (status == 0)
        return bl_advertiser_connected(&w->adv, w->now, &e);
    bl_advertiser_failed_connect(&w->adv, w->now, &e);
    return 0;
}

uint16_t gap_world_terminated(struct gap_world *w, uint8_t set, uint8_t status, uint16_t handle)
{
    struct bl_hci_event e = {.kind = BL_HCI_EV_ADV_TERMINATED,
                             .status = status,
                             .adv_terminated = {.set = set, .conn_handle = handle}};

    return bl_advertiser_terminated(&w->adv, w->now, &e);
}

int gap_world_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);

    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
