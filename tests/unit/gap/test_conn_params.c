/* SPDX-License-Identifier: MIT */

#include "gap/conn_params.h"

#include "base/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

/* clang-format off */
static const struct {
    const char *what;
    struct bl_conn_params in;
    bool update; /* of a link at 36 (45 ms), latency 2, 300 (3 s) */
    int result;
    struct bl_conn_units out;
} conversions[] = {
    {"nothing given is 30 to 50 ms, 0, 5 s", {0}, false, 0, {24, 40, 0, 500}},
    {"both ends", {7500, 4000000, 0, 32000, false}, false, 0, {6, 3200, 0, 3200}},
    {"intervals are rounded down", {10100, 11249, 0, 0, false}, false, 0, {8, 8, 0, 500}},
    {"the timeout is rounded up", {0, 0, 0, 101, false}, false, 0, {24, 40, 0, 11}},
    {"a maximum below 30 ms takes the minimum along", {0, 15000, 0, 0, false}, false, 0, {12, 12, 0, 500}},
    {"a maximum above keeps 30 ms", {0, 100000, 0, 0, false}, false, 0, {24, 80, 0, 500}},
    {"a minimum above 50 ms takes the maximum along", {60000, 0, 0, 0, false}, false, 0, {48, 48, 0, 500}},
    {"a minimum below keeps 50 ms", {7500, 0, 0, 0, false}, false, 0, {6, 40, 0, 500}},
    {"latency without a flag", {0, 0, 4, 0, false}, false, 0, {24, 40, 4, 500}},
    {"a default timeout that would be too short grows", {0, 4000000, 0, 0, false}, false, 0, {24, 3200, 0, 801}},
    {"also by latency", {0, 50000, 99, 0, false}, false, 0, {24, 40, 99, 1001}},
    {"where no timeout is long enough", {0, 4000000, 499, 0, false}, false, -EINVAL, {0}},
    {"the shortest legal timeout", {7500, 7500, 0, 100, false}, false, 0, {6, 6, 0, 10}},
    {"minimum too short", {7499, 0, 0, 0, false}, false, -EINVAL, {0}},
    {"maximum too short", {0, 7499, 0, 0, false}, false, -EINVAL, {0}},
    {"minimum too long", {4000001, 0, 0, 0, false}, false, -EINVAL, {0}},
    {"maximum too long", {0, 4000001, 0, 0, false}, false, -EINVAL, {0}},
    {"the wrong way round", {50000, 30000, 0, 0, false}, false, -EINVAL, {0}},
    {"the wrong way round by less than a unit", {10100, 10099, 0, 0, false}, false, -EINVAL, {0}},
    {"latency 499 is legal", {7500, 7500, 499, 0, false}, false, 0, {6, 6, 499, 751}},
    {"latency 500 is not", {0, 0, 500, 0, false}, false, -EINVAL, {0}},
    {"timeout too short", {0, 0, 0, 99, false}, false, -EINVAL, {0}},
    {"timeout too long", {0, 0, 0, 32001, false}, false, -EINVAL, {0}},
    {"timeout that overflows", {0, 0, 0, UINT32_MAX, false}, false, -EINVAL, {0}},
    {"interval that overflows", {0, UINT32_MAX, 0, 0, false}, false, -EINVAL, {0}},
    {"given timeout equal to the silence", {50000, 50000, 0, 100, false}, false, -EINVAL, {0}},
    {"given timeout just longer", {50000, 50000, 0, 110, false}, false, 0, {40, 40, 0, 11}},
    {"an update keeps what is not given", {0}, true, 0, {36, 36, 2, 300}},
    {"an update of the interval", {20000, 20000, 0, 0, false}, true, 0, {16, 16, 2, 300}},
    {"an update of the maximum alone", {0, 100000, 0, 0, false}, true, 0, {36, 80, 2, 300}},
    {"an update to latency 0", {0, 0, 0, 0, true}, true, 0, {36, 36, 0, 300}},
    {"an update of the timeout", {0, 0, 0, 6000, false}, true, 0, {36, 36, 2, 600}},
    {"an update that needs a longer timeout", {0, 1000000, 0, 0, false}, true, 0, {36, 800, 2, 601}},
};

static const struct {
    const char *what;
    uint16_t min, max, latency, timeout; /* of the policy */
    struct bl_conn_units asked;
    bool ok;
    struct bl_conn_units granted;
} policies[] = {
    {"all that is legal by default", 0, 0, 0, 0, {6, 3200, 0, 3200}, true, {6, 3200, 0, 3200}},
    {"interval below the legal", 0, 0, 0, 0, {5, 40, 0, 500}, false, {0}},
    {"interval above the legal", 0, 0, 0, 0, {6, 3201, 0, 3200}, false, {0}},
    {"interval the wrong way round", 0, 0, 0, 0, {41, 40, 0, 500}, false, {0}},
    {"latency above the legal", 0, 0, 0, 0, {6, 6, 500, 3200}, false, {0}},
    {"timeout below the legal", 0, 0, 0, 0, {6, 6, 0, 9}, false, {0}},
    {"timeout above the legal", 0, 0, 0, 0, {6, 6, 0, 3201}, false, {0}},
    {"timeout not above the silence", 0, 0, 0, 0, {40, 40, 9, 100}, false, {0}},
    {"timeout just above the silence", 0, 0, 0, 0, {40, 40, 9, 101}, true, {40, 40, 9, 101}},
    {"what overlaps is granted", 20, 30, 0, 0, {24, 40, 0, 500}, true, {24, 30, 0, 500}},
    {"from the other side", 20, 30, 0, 0, {6, 24, 0, 500}, true, {20, 24, 0, 500}},
    {"too slow", 20, 30, 0, 0, {31, 40, 0, 500}, false, {0}},
    {"too fast", 20, 30, 0, 0, {6, 19, 0, 500}, false, {0}},
    {"latency at the bound", 0, 0, 4, 0, {24, 40, 4, 500}, true, {24, 40, 4, 500}},
    {"latency over it", 0, 0, 4, 0, {24, 40, 5, 500}, false, {0}},
    {"timeout at the bound", 0, 0, 0, 500, {24, 40, 0, 500}, true, {24, 40, 0, 500}},
    {"timeout over it", 0, 0, 0, 500, {24, 40, 0, 501}, false, {0}},
};
/* clang-format on */

static void check_units(const struct bl_conn_units *a, const struct bl_conn_units *b,
                        const char *what)
{
    ck_assert_msg(a->interval_min == b->interval_min && a->interval_max == b->interval_max &&
                      a->latency == b->latency && a->timeout == b->timeout,
                  "%s: %u %u %u %u", what, a->interval_min, a->interval_max, a->latency,
                  a->timeout);
}

START_TEST(parameters_become_legal_units_or_einval)
{
    static const struct bl_conn_units base = {36, 36, 2, 300}, untouched = {1, 2, 3, 4};
    struct bl_conn_units u = untouched;

    int r = bl_conn_params_units(&conversions[_i].in, conversions[_i].update ? &base : NULL, &u);
    ck_assert_msg(r == conversions[_i].result, "%s: %d", conversions[_i].what, r);
    check_units(&u, r == 0 ? &conversions[_i].out : &untouched, conversions[_i].what);
    if (r == 0)
        ck_assert_msg(bl_conn_units_legal(&u), "%s", conversions[_i].what);
}
END_TEST

START_TEST(a_peer_is_granted_what_policy_and_request_have_in_common)
{
    const struct bl_config config = {.accept_min_interval = policies[_i].min,
                                     .accept_max_interval = policies[_i].max,
                                     .accept_max_latency = policies[_i].latency,
                                     .accept_max_timeout = policies[_i].timeout};
    static const struct bl_conn_units untouched = {1, 2, 3, 4};
    struct bl_conn_units u = untouched;

    bool ok = bl_conn_params_accept(&config, &policies[_i].asked, &u);
    ck_assert_msg(ok == policies[_i].ok, "%s", policies[_i].what);
    check_units(&u, ok ? &policies[_i].granted : &untouched, policies[_i].what);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gap/conn_params");
    TCase *t = tcase_create("conn_params");

    tcase_add_loop_test(t, parameters_become_legal_units_or_einval, 0, ARRAY_LEN(conversions));
    tcase_add_loop_test(t, a_peer_is_granted_what_policy_and_request_have_in_common, 0,
                        ARRAY_LEN(policies));
    suite_add_tcase(s, t);

    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
