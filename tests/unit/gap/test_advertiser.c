/* SPDX-License-Identifier: MIT */

/* Arguments, life and memory, for both kinds of controllers. */

#include "gap_world.h"
#include "oom.h"

#include "base/timerq.h"

#include <errno.h>

static struct gap_world *w;

static void setup_legacy(void)
{
    w = gap_world_new(false);
    gap_world_ready(w);
}

static void setup_extended(void)
{
    w = gap_world_new(true);
    gap_world_ready(w);
}

static void teardown(void)
{
    gap_world_free(w);
}

static uint8_t bytes[2000];

static int start(const struct bl_adv_params *p)
{
    uint16_t adv = 77;
    bl_op op = 88;
    int r = bl_advertiser_start(&w->adv, w->now, 0, p, &adv, &op);

    if (r < 0) { /* nothing is touched */
        ck_assert_uint_eq(adv, 77);
        ck_assert_uint_eq(op, 88);
        ck_assert_uint_eq(w->events.open_ops, 0);
        gap_world_quiet(w);
        gap_world_no_event(w);
    }
    return r;
}

#define BASE    .interval_us = 100000, .addr_mode = BL_ADDR_MODE_DEFAULT
#define ADV(n)  .adv_data = bytes, .adv_len = (n)
#define RESP(n) .resp_data = bytes, .resp_len = (n)

struct row {
    int legacy, extended; /* what a controller of the kind makes of it */
    struct bl_adv_params params;
};

static const struct row rows[] = {
    {0, 0, {BASE}},
    {0, 0, {BASE, .connectable = true, ADV(31), RESP(31)}},
    {0, 0, {BASE, .scannable = true, ADV(31), RESP(31)}},
    {0, 0, {BASE, ADV(31)}},
    {-EMSGSIZE, -EMSGSIZE, {BASE, ADV(32)}},
    {-EMSGSIZE, -EMSGSIZE, {BASE, .connectable = true, RESP(32)}},
    {-EINVAL, -EINVAL, {BASE, RESP(1)}},
    {0, 0, {.interval_us = 20000, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {-EINVAL, -EINVAL, {.interval_us = 19999, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {0, 0, {.interval_us = 10240000, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {-EINVAL, -EINVAL, {.interval_us = 10240001, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {-EINVAL, -EINVAL, {.interval_us = 0, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {-EINVAL, -EINVAL, {.interval_us = UINT32_MAX, .addr_mode = BL_ADDR_MODE_PUBLIC}},
    {-EINVAL, -EINVAL, {.interval_us = 100000, .addr_mode = 4}},
    {-EOPNOTSUPP, -EOPNOTSUPP, {.interval_us = 100000, .addr_mode = BL_ADDR_MODE_RPA}},
    {-EINVAL, -EINVAL, {BASE, .primary_phy = BL_PHY_CODED}},
    {-EINVAL, -EINVAL, {BASE, .secondary_phy = BL_PHY_2M}},
    {0, 0, {BASE, .primary_phy = BL_PHY_1M, .secondary_phy = BL_PHY_1M}},
    {-EINVAL, -EINVAL, {BASE, .sid = 16}},
    {-EINVAL, -EINVAL, {BASE, .has_directed = true}},
    {-EINVAL, -EINVAL, {BASE, .has_directed = true, .scannable = true}},
    {0, 0, {BASE, .has_directed = true, .connectable = true}},
    {-EINVAL, -EINVAL, {BASE, .has_directed = true, .connectable = true, .directed = {2, {0}}}},
    {-EMSGSIZE, -EMSGSIZE, {BASE, .has_directed = true, .connectable = true, ADV(1)}},
    {-EMSGSIZE, -EMSGSIZE, {BASE, .has_directed = true, .connectable = true, RESP(1)}},
    {0, 0, {BASE, .has_directed = true, .connectable = true, .high_duty = true}},
    {-EINVAL, -EINVAL, {BASE, .connectable = true, .high_duty = true}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true, ADV(1650)}},
    {-EOPNOTSUPP, -EMSGSIZE, {BASE, .extended = true, ADV(1651)}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true, .connectable = true, ADV(251)}},
    {-EOPNOTSUPP, -EMSGSIZE, {BASE, .extended = true, .connectable = true, ADV(252)}},
    {-EOPNOTSUPP, -EINVAL, {BASE, .extended = true, .connectable = true, RESP(1)}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true, .scannable = true, RESP(1650)}},
    {-EOPNOTSUPP, -EMSGSIZE, {BASE, .extended = true, .scannable = true, RESP(1651)}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .scannable = true, ADV(1)}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .scannable = true}},
    {-EOPNOTSUPP, -EINVAL, {BASE, .extended = true, RESP(1)}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .high_duty = true, .has_directed = true}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true, .has_directed = true, ADV(100)}},
    {-EOPNOTSUPP, 0, {BASE, .extended = true, .primary_phy = BL_PHY_CODED, .secondary_phy = 3}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .primary_phy = BL_PHY_2M}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .secondary_phy = 4}},
    {-EINVAL, -EINVAL, {BASE, .extended = true, .primary_phy = 255}},
    {-EOPNOTSUPP, 0, {.interval_us = 40960000, .extended = true}},
    {-EINVAL, -EINVAL, {.interval_us = 40960001, .extended = true}},
};

START_TEST(arguments_on_a_legacy_controller)
{
    ck_assert_int_eq(start(&rows[_i].params), rows[_i].legacy);
}
END_TEST

START_TEST(arguments_on_an_extended_controller)
{
    ck_assert_int_eq(start(&rows[_i].params), rows[_i].extended);
}
END_TEST

START_TEST(bad_arguments_leave_a_running_one_alone)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t adv = gap_world_started(w, &p), ret = 0;
    bl_op op = 0;

    p.interval_us = 1;
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, adv, &p, &ret, &op), -EINVAL);
    gap_world_quiet(w);
    gap_world_no_event(w);
    ck_assert(w->adv.sets[0].enabled);
}
END_TEST

START_TEST(phys_need_the_controllers_features)
{
    struct bl_adv_params p = {BASE, .extended = true, .secondary_phy = BL_PHY_2M};

    w->hci->caps.le_features = UINT64_C(1) << BL_LE_EXTENDED_ADV;
    ck_assert_int_eq(start(&p), -EOPNOTSUPP);
    p.secondary_phy = BL_PHY_CODED;
    ck_assert_int_eq(start(&p), -EOPNOTSUPP);
    p.secondary_phy = BL_PHY_1M;
    p.primary_phy = BL_PHY_CODED;
    ck_assert_int_eq(start(&p), -EOPNOTSUPP);
}
END_TEST

START_TEST(maximum_is_the_controllers)
{
    struct bl_adv_params p = {BASE, .extended = true};

    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 1650);
    p.connectable = true;
    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 251);
    w->hci->caps.adv_data_max = 191;
    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 191);
    w->hci->caps.adv_data_max = 0xffff;
    p.connectable = false;
    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 1650);
    p.extended = false;
    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 31);
    p.has_directed = p.connectable = true;
    ck_assert_uint_eq(bl_advertiser_max(&w->adv, &p), 0);
}
END_TEST

START_TEST(unknown_numbers_are_not_found)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t adv = gap_world_started(w, &p), ret = 0;
    bl_op op = 0;

    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, 0, &op), -ENOENT);
    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, (uint16_t)(adv + 1), &op), -ENOENT);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, (uint16_t)(adv + 1), &p, &ret, &op),
                     -ENOENT);
    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, adv, &op), 0);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, adv, &p, &ret, &op), -ENOENT);
}
END_TEST

START_TEST(data_is_copied)
{
    char data[] = "abc";
    struct bl_adv_params p = gap_world_params(data);
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    memset(data, 'x', 3);
    gap_world_do(w, BL_CMD_LE_SET_ADV_PARAMS, NULL);
    ck_assert_mem_eq(gap_world_do(w, BL_CMD_LE_SET_ADV_DATA, NULL)->params, "\3abc", 4);
}
END_TEST

START_TEST(advertisements_are_bounded)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t ret = 0, last = 0;
    bl_op op;

    for (unsigned i = 0; i < BL_MAX_ADV; i++)
        last = gap_world_start(w, 0, &p, &op);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &p, &ret, &op), -EBUSY);
    gap_world_start(w, last, &p, &op);
    gap_world_pass(w, w->now + 100000 * (BL_MAX_ADV + 1));

    struct bl_event e;
    unsigned ok = 0, canceled = 0;
    while (gap_world_event(w, &e)) {
        ck_assert_int_eq(e.kind, BL_EV_OP_DONE);
        ok += e.done.status == BL_OK;
        canceled += e.done.status == BL_CANCELED;
    }
    ck_assert_uint_eq(ok, BL_MAX_ADV);
    ck_assert_uint_eq(canceled, 1);
}
END_TEST

START_TEST(too_many_open_commands_are_busy)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t adv = gap_world_started(w, &p), ret = 0;
    bl_op op = 0;

    w->events.open_ops = BL_MAX_OPS;
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, 0, &p, &ret, &op), -EBUSY);
    ck_assert_int_eq(bl_advertiser_start(&w->adv, w->now, adv, &p, &ret, &op), -EBUSY);
    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, adv, &op), -EBUSY);
    ck_assert_uint_eq(w->adv.n_advs, 1);
    w->events.open_ops = 0;
    gap_world_quiet(w);
}
END_TEST

START_TEST(numbers_are_not_given_twice)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    uint16_t kept = gap_world_started(w, &p);
    w->adv.last_adv = UINT16_MAX;
    ck_assert_uint_eq(gap_world_start(w, 0, &p, &op), kept == 1 ? 2 : 1);
}
END_TEST

START_TEST(reset_ends_everything)
{
    struct bl_adv_params p = gap_world_params("abc"), resume = p;
    bl_op waiting, stopping;

    resume.resume = true;
    uint16_t first = gap_world_started(w, &resume);
    gap_world_connected(w, 0x40, 0);
    uint16_t second = gap_world_started(w, &p);
    gap_world_start(w, 0, &p, &waiting);
    ck_assert_int_eq(bl_advertiser_stop(&w->adv, w->now, second, &stopping), 0);
    gap_world_step(w);
    const struct fake_cmd *cmd = fake_hci_take(w->hci);
    ck_assert_ptr_nonnull(cmd);

    w->radio.ready = false;
    bl_advertiser_reset(&w->adv, w->now, BL_NOT_ACTIVE);
    gap_world_adv_stopped(w, first, BL_NOT_ACTIVE);
    gap_world_adv_stopped(w, second, BL_OK);
    gap_world_op_done(w, stopping, BL_OK);
    gap_world_op_done(w, waiting, BL_NOT_ACTIVE);
    gap_world_no_event(w);
    ck_assert(!w->radio.advertising);
    ck_assert_uint_eq(w->events.open_ops, 0);
    ck_assert_uint_eq(bl_advertiser_deadline(&w->adv), TIMERQ_NEVER);
    gap_world_answer(w, cmd, 0); /* too late */
    gap_world_quiet(w);
    gap_world_ready(w);
    gap_world_started(w, &p);
}
END_TEST

START_TEST(nothing_is_asked_of_a_controller_that_is_not_ready)
{
    struct bl_adv_params p = gap_world_params("abc");
    bl_op op;

    gap_world_start(w, 0, &p, &op);
    w->radio.ready = false;
    gap_world_quiet(w);
}
END_TEST

START_TEST(start_without_memory_leaves_nothing)
{
    struct bl_adv_params p = gap_world_params("abc");
    uint16_t ret;
    bl_op op;
    int r = -ENOMEM;
    unsigned failures = 0;

    for (unsigned n = 1; r == -ENOMEM; n++) {
        oom_fail_from(n);
        r = bl_advertiser_start(&w->adv, w->now, 0, &p, &ret, &op);
        oom_off();
        failures += r == -ENOMEM;
        ck_assert_uint_eq(w->adv.n_advs, r == 0);
        ck_assert_uint_eq(w->events.open_ops, r == 0);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_uint_eq(failures, 2);
    gap_world_run(w);
    gap_world_op_done(w, op, BL_OK);
}
END_TEST

START_TEST(replacing_without_memory_leaves_the_old_one)
{
    struct bl_adv_params p = gap_world_params("abc"), q = gap_world_params("xyz");
    uint16_t adv = gap_world_started(w, &p), ret;
    bl_op op;

    oom_fail_from(1);
    int r = bl_advertiser_start(&w->adv, w->now, adv, &q, &ret, &op);
    oom_off();
    ck_assert_int_eq(r, -ENOMEM);
    gap_world_quiet(w);
    gap_world_no_event(w);
    ck_assert(w->adv.sets[0].enabled);
}
END_TEST

START_TEST(counters_count)
{
    struct bl_adv_params p = gap_world_params("abc");
    const char *name;
    uint64_t value, sum = 0;
    size_t n = 0;

    gap_world_started(w, &p);
    while (bl_advertiser_counter(&w->adv, n, &name, &value)) {
        ck_assert_str_ne(name, "");
        sum += value;
        n++;
    }
    ck_assert_uint_eq(n, 5);
    ck_assert_uint_eq(sum, 2); /* one there, one started */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("advertiser");
    TCase *legacy = tcase_create("legacy"), *extended = tcase_create("extended");
    int n_rows = (int)(sizeof(rows) / sizeof(rows[0]));

    tcase_add_checked_fixture(legacy, setup_legacy, teardown);
    tcase_add_checked_fixture(extended, setup_extended, teardown);
    tcase_add_loop_test(legacy, arguments_on_a_legacy_controller, 0, n_rows);
    tcase_add_loop_test(extended, arguments_on_an_extended_controller, 0, n_rows);
    tcase_add_test(legacy, bad_arguments_leave_a_running_one_alone);
    tcase_add_test(extended, bad_arguments_leave_a_running_one_alone);
    tcase_add_test(extended, phys_need_the_controllers_features);
    tcase_add_test(extended, maximum_is_the_controllers);
    tcase_add_test(extended, unknown_numbers_are_not_found);
    tcase_add_test(legacy, unknown_numbers_are_not_found);
    tcase_add_test(legacy, data_is_copied);
    tcase_add_test(legacy, advertisements_are_bounded);
    tcase_add_test(extended, advertisements_are_bounded);
    tcase_add_test(legacy, too_many_open_commands_are_busy);
    tcase_add_test(legacy, numbers_are_not_given_twice);
    tcase_add_test(legacy, reset_ends_everything);
    tcase_add_test(extended, reset_ends_everything);
    tcase_add_test(legacy, nothing_is_asked_of_a_controller_that_is_not_ready);
    tcase_add_test(extended, start_without_memory_leaves_nothing);
    tcase_add_test(extended, replacing_without_memory_leaves_the_old_one);
    tcase_add_test(legacy, counters_count);
    suite_add_tcase(suite, legacy);
    suite_add_tcase(suite, extended);
    return gap_world_main(suite);
}
