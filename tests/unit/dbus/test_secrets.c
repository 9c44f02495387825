/* SPDX-License-Identifier: MIT */

/* Pairing1.ProvideSecrets: what the provider is asked and told, by whom it may be answered, and
 * what becomes of it all when it answers badly, late, or has gone. */

#include "as_root.h"
#include "bond_record.h"
#include "pairing.h"
#include "rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

#define P        PAIRING_INTERFACE
#define PROVIDER ":1.5"

static struct rig rig;

static void event(const struct bl_event *e)
{
    bus_adapter_event(rig.a, e);
    rig_run(&rig);
}

static void setup(void)
{
    rig_start(&rig, true);
    rig_ready(&rig);
}

static void teardown(void)
{
    ck_assert_uint_eq(rig.a->bus->signals_failed, 0);
    rig_stop(&rig);
}

static const char *answer(unsigned call)
{
    return rig_answer(&rig, call);
}

static unsigned provide(const char *name)
{
    return rig_call(&rig, name, P, "ProvideSecrets", "a{sv}", 0);
}

static void attach(const char *name)
{
    ck_assert_str_eq(answer(rig_call(&rig, name, "org.bled.Adapter1", "Attach", "a{sv}", 0)),
                     "reply");
}

static struct bl_bond bond(uint8_t n)
{
    return (struct bl_bond){.identity = {ADDR_RANDOM, {n, 2, 3, 4, 5, 0xc6}},
                            .has_peer_ltk = true,
                            .peer_ltk = {.key = {n}, .size = 16}};
}

static unsigned reply(const char *name, uint32_t request, bool ok, const void *value, size_t n)
{
    sd_bus_message *m = NULL;
    uint64_t cookie;

    ck_assert_int_ge(
        sd_bus_message_new_method_call(rig.peer, &m, "org.bled", "/org/bled/hci0", P, "Reply"), 0);
    sd_bus_message_set_sender(m, name);
    sd_bus_message_append(m, "ub", request, (int)ok);
    ck_assert_int_ge(sd_bus_message_append_array(m, 'y', value, n), 0);
    ck_assert_int_ge(sd_bus_send(rig.peer, m, &cookie), 0);
    sd_bus_message_unref(m);
    rig_run(&rig);
    return (unsigned)cookie;
}

static unsigned give(const char *name, uint32_t request, uint8_t n)
{
    uint8_t record[BOND_RECORD_MAX];
    const struct bl_bond b = bond(n);

    return reply(name, request, true, record, bond_record_write(&b, record));
}

/* The number of the last request of this index; 0: there is none. */
static uint32_t requested(unsigned index)
{
    uint32_t number = 0;

    for (size_t i = 0; i < rig.n_lines; i++) {
        unsigned q, type, at;
        if (sscanf(rig.lines[i], "signal SecretRequested -> " PROVIDER " %u %u %u 0 ...", &q, &type,
                   &at) == 3 &&
            at == index) {
            ck_assert_uint_eq(type, 1);
            number = q;
        }
    }
    return number;
}

static uint32_t stored(unsigned *ret_has_value)
{
    uint32_t number = 0;

    for (size_t i = 0; i < rig.n_lines; i++) {
        unsigned q, type, has;
        if (sscanf(rig.lines[i], "signal SecretStored -> " PROVIDER " %u %u ... %u ...", &q, &type,
                   &has) == 3) {
            number = q;
            *ret_has_value = has;
        }
    }
    return number;
}

static void told(uint8_t n, bool added, bool removed)
{
    event(&(struct bl_event){.kind = BL_EV_BOND, .bond = {bond(n).identity, added, removed}});
}

static void nothing_more(void)
{
    ck_assert_str_eq(answer(reply(PROVIDER, requested(0), false, NULL, 0)), "reply");
}

/* ---- */

START_TEST(provider_is_asked_by_index_until_it_has_no_more)
{
    const struct bl_bond own = bond(9);
    bl_bond_add(&rig.host, 0, &own);
    unsigned c = provide(PROVIDER);
    ck_assert_str_eq(answer(c), "reply");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 0); /* the daemon's own do not count now */
    ck_assert_uint_lt(rig_index(&rig, "reply"), rig_index(&rig, "signal SecretRequested"));
    ck_assert_uint_eq(rig_count(&rig, "signal"), 1);
    ck_assert_str_eq(answer(give(PROVIDER, requested(0), 1)), "reply");
    ck_assert_str_eq(answer(give(PROVIDER, requested(1), 2)), "reply");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 2);
    ck_assert_str_eq(answer(reply(PROVIDER, requested(2), false, NULL, 0)), "reply");
    ck_assert_uint_eq(rig_count(&rig, "signal SecretRequested"), 3);
    ck_assert_uint_eq(rig_count(&rig, "signal"), 3);
    ck_assert_uint_eq(rig.bond_writes, 0);
}
END_TEST

START_TEST(providing_and_out_of_band_keys_are_for_root)
{
    as_root = false;
    ck_assert_str_eq(answer(provide(PROVIDER)), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_str_eq(answer(rig_call(&rig, PROVIDER, P, "GetOob", "a{sv}", 0)),
                     "org.freedesktop.DBus.Error.AccessDenied");
    as_root = true;
    ck_assert_uint_eq(rig_count(&rig, "signal"), 0);
    ck_assert_uint_eq(rig.host.smp.clears, 0);
}
END_TEST

START_TEST(there_is_one_provider)
{
    provide(PROVIDER);
    ck_assert_str_eq(answer(provide(":1.6")), "org.bled.Error.Busy");
    ck_assert_ptr_nonnull(strstr(rig_find(&rig, "error"), PROVIDER));
    ck_assert_str_eq(answer(provide(PROVIDER)), "reply");
    ck_assert_uint_eq(rig_count(&rig, "signal SecretRequested"), 1);
}
END_TEST

START_TEST(provider_alone_answers)
{
    provide(PROVIDER);
    uint32_t q = requested(0);
    ck_assert_str_eq(answer(give(":1.6", q, 1)), "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 0);
    ck_assert_str_eq(answer(give(PROVIDER, q, 1)), "reply");
    ck_assert_str_eq(answer(give(PROVIDER, q, 1)), "org.bled.Error.NotFound");
    ck_assert_str_eq(answer(reply(PROVIDER, 0, true, NULL, 0)), "org.bled.Error.NotFound");
}
END_TEST

START_TEST(no_answer_in_five_seconds_is_no_more)
{
    provide(PROVIDER);
    uint32_t q = requested(0);
    rig.now += 4999999;
    rig_run(&rig);
    ck_assert(pairing_of(rig.a)->secrets.loading);
    rig.now++;
    rig_run(&rig);
    ck_assert(!pairing_of(rig.a)->secrets.loading);
    ck_assert_str_eq(answer(give(PROVIDER, q, 1)), "org.bled.Error.NotFound");
    ck_assert_uint_eq(rig_count(&rig, "signal SecretRequested"), 1);
}
END_TEST

START_TEST(what_is_no_secret_of_ours_is_passed_over)
{
    provide(PROVIDER);
    ck_assert_str_eq(answer(reply(PROVIDER, requested(0), true, "nonsense", 8)),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_str_eq(answer(reply(PROVIDER, requested(1), true, NULL, 0)),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    ck_assert_str_eq(answer(give(PROVIDER, requested(2), 1)), "reply");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
}
END_TEST

START_TEST(provider_that_never_ends_is_asked_no_further)
{
    uint8_t record[BOND_RECORD_MAX];
    const struct bl_bond b = bond(1);
    size_t n = bond_record_write(&b, record);

    provide(PROVIDER);
    for (unsigned i = 0; pairing_of(rig.a)->secrets.loading; i++) {
        ck_assert_uint_le(i, 4 * BL_MAX_BONDS);
        reply(PROVIDER, requested(i), true, record, n);
        rig_forget(&rig);
        if (!pairing_of(rig.a)->secrets.loading)
            break;
        uint32_t q = rig.a->last_request;
        char line[80];
        snprintf(line, sizeof(line), "signal SecretRequested -> " PROVIDER " %u 1 %u 0 ...", q,
                 i + 1);
        rig.lines[rig.n_lines++] = strdup(line);
    }
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
}
END_TEST

/* It is told where it ends, and nothing of what it has is deleted. */
START_TEST(provider_with_too_many_is_asked_for_no_more)
{
    provide(PROVIDER);
    for (unsigned i = 0; i < FAKE_BONDS; i++)
        ck_assert_str_eq(answer(give(PROVIDER, requested(i), (uint8_t)(i + 1))), "reply");
    ck_assert_str_eq(answer(give(PROVIDER, requested(FAKE_BONDS), 100)),
                     "org.bled.Error.NoResources");
    ck_assert(!pairing_of(rig.a)->secrets.loading);
    ck_assert_uint_eq(rig_count(&rig, "signal SecretRequested"), FAKE_BONDS + 1);
    ck_assert_uint_eq(rig_count(&rig, "signal SecretStored"), 0);
    ck_assert_uint_eq(rig.host.smp.n_bonds, FAKE_BONDS);
}
END_TEST

/* Each deletion moves the indices, and a provider may have it that there is always one. */
START_TEST(indices_that_never_rest_are_given_up)
{
    provide(PROVIDER);
    for (unsigned i = 0; pairing_of(rig.a)->secrets.loading; i++) {
        ck_assert_uint_le(i, 4 * BL_MAX_BONDS);
        told(1, false, true);
        uint32_t q = rig.a->last_request - 1; /* the last one is of the deletion */
        reply(PROVIDER, q, false, NULL, 0);
        reply(PROVIDER, q + 1, true, NULL, 0);
        rig_forget(&rig);
    }
    ck_assert_uint_eq(pairing_of(rig.a)->secrets.n_requests, 0);
}
END_TEST

START_TEST(changes_go_to_the_provider_alone)
{
    unsigned has;
    provide(PROVIDER);
    nothing_more();
    rig_forget(&rig);
    const struct bl_bond b = bond(1);
    bl_bond_add(&rig.host, 0, &b);
    told(1, true, false);
    uint32_t q = stored(&has);
    ck_assert_uint_ne(q, 0);
    ck_assert_uint_eq(has, 1);
    ck_assert_uint_lt(rig_index(&rig, "signal SecretStored"), rig_index(&rig, "signal BondAdded"));
    ck_assert_str_eq(answer(reply(":1.6", q, true, NULL, 0)),
                     "org.freedesktop.DBus.Error.AccessDenied");
    ck_assert_str_eq(answer(reply(PROVIDER, q, true, NULL, 0)), "reply");
    bl_bond_remove(&rig.host, 0, &b.identity);
    told(1, false, true);
    q = stored(&has);
    ck_assert_uint_eq(has, 0);
    ck_assert_str_eq(answer(reply(PROVIDER, q, false, NULL, 0)), "reply");
    ck_assert_uint_eq(rig.bond_writes + rig.bond_deletes, 0);
}
END_TEST

START_TEST(pairing_meanwhile_is_newer_than_what_the_provider_has)
{
    struct bl_bond b = bond(1);
    provide(PROVIDER);
    b.authenticated = true;
    bl_bond_add(&rig.host, 0, &b);
    told(1, true, false);
    ck_assert_str_eq(answer(give(PROVIDER, requested(0), 1)), "reply");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
    ck_assert(rig.host.smp.bonds[0].authenticated);
}
END_TEST

/* An impostor must not win by being faster than the provider. */
START_TEST(weaker_pairing_meanwhile_gives_way_to_what_the_provider_has)
{
    uint8_t record[BOND_RECORD_MAX];
    struct bl_bond weak = bond(1), strong = bond(1);
    unsigned has = 0;

    weak.authenticated = false;
    strong.authenticated = true;
    provide(PROVIDER);
    uint32_t q = requested(0);
    bl_bond_add(&rig.host, 0, &weak);
    told(1, true, false);
    rig_forget(&rig);
    ck_assert_str_eq(answer(reply(PROVIDER, q, true, record, bond_record_write(&strong, record))),
                     "reply");
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
    ck_assert(rig.host.smp.bonds[0].authenticated);
    ck_assert_uint_ne(stored(&has), 0); /* it was given the weak one meanwhile */
    ck_assert_uint_eq(has, 1);
}
END_TEST

START_TEST(deletion_meanwhile_has_us_ask_from_the_start)
{
    provide(PROVIDER);
    give(PROVIDER, requested(0), 1);
    const struct bl_bond b = bond(1);
    bl_bond_remove(&rig.host, 0, &b.identity);
    told(1, false, true);
    uint32_t q = requested(1), first = requested(0);
    ck_assert_str_eq(answer(reply(PROVIDER, q, false, NULL, 0)), "reply");
    ck_assert_uint_ne(requested(0), first);
    give(PROVIDER, requested(0), 2);
    reply(PROVIDER, requested(1), false, NULL, 0);
    ck_assert(!pairing_of(rig.a)->secrets.loading);
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
}
END_TEST

START_TEST(provider_that_leaves_takes_its_bonds_along)
{
    unsigned loads = rig.bond_loads;

    if (_i & 1)
        attach(PROVIDER);
    provide(PROVIDER);
    ck_assert_uint_eq(rig.host.smp.clears, 1);
    give(PROVIDER, requested(0), 1);
    if (_i & 2)
        rig_vanish(&rig, PROVIDER);
    else
        rig_call(&rig, PROVIDER, "org.bled.Adapter1", "Detach", "");
    ck_assert_uint_eq(rig.host.smp.clears, 2);
    ck_assert_uint_eq(rig.host.smp.n_bonds, 0);
    ck_assert_uint_eq(rig.bond_loads, loads + 1);
    ck_assert_uint_eq(pairing_of(rig.a)->secrets.n_requests, 0);
    ck_assert_uint_eq(rig_count(&rig, "signal BondRemoved"), 0);
    const struct bl_bond b = bond(1);
    bl_bond_add(&rig.host, 0, &b);
    told(1, true, false);
    ck_assert_uint_eq(rig.bond_writes, 1);
    ck_assert_str_eq(answer(provide(":1.6")), "reply");
}
END_TEST

/* Its event comes when somebody else keeps the bonds: it would be back when he has left. */
START_TEST(a_bond_deleted_just_before_is_deleted_from_the_own_store)
{
    const struct bl_bond b = bond(1);

    bl_bond_add(&rig.host, 0, &b);
    unsigned call = rig_call(&rig, ":1.1", P, "DeleteBond", "ys", 1, "C6:05:04:03:02:01");
    provide(PROVIDER);
    ck_assert_uint_eq(rig.bond_deletes, 1);
    told(1, false, true);
    ck_assert_str_eq(answer(call), "reply");
    ck_assert_uint_eq(rig.bond_deletes, 1);
}
END_TEST

START_TEST(own_store_is_not_loaded_beside_a_provider)
{
    rig_stop(&rig);
    rig_start(&rig, false);
    ck_assert_str_eq(answer(provide(PROVIDER)), "reply");
    ck_assert_str_eq(answer(give(PROVIDER, requested(0), 1)), "reply");
    rig_call(&rig, ":1.1", "org.bled.Adapter1", "SetActive", "ba{sv}", 1, 0);
    event(&(struct bl_event){.kind = BL_EV_READY});
    ck_assert_uint_eq(rig.bond_loads, 0);
    ck_assert_uint_eq(rig.host.smp.n_bonds, 1);
}
END_TEST

START_TEST(provider_that_does_not_answer_is_bounded)
{
    provide(PROVIDER);
    nothing_more();
    const struct bl_bond b = bond(1);
    bl_bond_add(&rig.host, 0, &b);
    for (unsigned i = 0; i < 1000; i++)
        told(1, false, false);
    ck_assert_uint_eq(pairing_of(rig.a)->secrets.n_requests, 256);
    rig.now += 5000000;
    rig_run(&rig);
    ck_assert_uint_eq(pairing_of(rig.a)->secrets.n_requests, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("secrets");
    TCase *t = tcase_create("secrets");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, provider_is_asked_by_index_until_it_has_no_more);
    tcase_add_test(t, providing_and_out_of_band_keys_are_for_root);
    tcase_add_test(t, there_is_one_provider);
    tcase_add_test(t, provider_alone_answers);
    tcase_add_test(t, no_answer_in_five_seconds_is_no_more);
    tcase_add_test(t, what_is_no_secret_of_ours_is_passed_over);
    tcase_add_test(t, provider_that_never_ends_is_asked_no_further);
    tcase_add_test(t, provider_with_too_many_is_asked_for_no_more);
    tcase_add_test(t, indices_that_never_rest_are_given_up);
    tcase_add_test(t, changes_go_to_the_provider_alone);
    tcase_add_test(t, pairing_meanwhile_is_newer_than_what_the_provider_has);
    tcase_add_test(t, weaker_pairing_meanwhile_gives_way_to_what_the_provider_has);
    tcase_add_test(t, deletion_meanwhile_has_us_ask_from_the_start);
    tcase_add_loop_test(t, provider_that_leaves_takes_its_bonds_along, 0, 4);
    tcase_add_test(t, a_bond_deleted_just_before_is_deleted_from_the_own_store);
    tcase_add_test(t, own_store_is_not_loaded_beside_a_provider);
    tcase_add_test(t, provider_that_does_not_answer_is_bounded);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures ? 1 : 0;
}
