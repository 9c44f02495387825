/* SPDX-License-Identifier: MIT */

/*
 * Data through many channels at once: 64 on four links between four hosts with controllers of four
 * kinds, each way, with SDUs of all lengths, writers of both kinds and readers that stand still for
 * a while; every octet is checked. What is held for readers stays within the windows, and the links
 * serve other traffic beside.
 *
 * BLED_FLOOD_KB: so much each way of each channel, in place of 10 MB for all of them together.
 */

#include "gatt_rig.h"
#include "l2cap_rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000u
#define MB     1000000u

enum { PSM = 0x80, LINKS = 4, PER_LINK = 16, ALL = LINKS * PER_LINK, STEP = 20000 };

static const uint16_t mtus[] = {23, 65535, 100, 512, 64, 247, 5000, 1000, 20000, 48, 185};

enum { MTUS = sizeof(mtus) / sizeof(mtus[0]) };

struct flood {
    struct stack *s;
    struct coc channels[ALL];
    unsigned n;
    uint32_t random;
    unsigned stalls;
    struct {
        size_t ends[2];
        uint16_t conns[2];
    } link[LINKS];
    unsigned n_links;
};

static struct flood flood;

static uint32_t draw(struct flood *f, uint32_t below)
{
    f->random ^= f->random << 13;
    f->random ^= f->random >> 17;
    f->random ^= f->random << 5;
    return f->random % below;
}

static uint64_t each_way(uint64_t total, unsigned channels)
{
    const char *kb = getenv("BLED_FLOOD_KB");

    return kb ? strtoull(kb, NULL, 10) * 1000 : total / channels;
}

/* ---- other traffic on the links ---- */

/* A read and a notification at a time from either end, and a pairing. */
struct beside {
    struct rig_db db[STACK_HOSTS];
    struct {
        bl_op read, notify;
        uint64_t since, slowest, next;
        unsigned reads, notified;
    } of[LINKS][2];
    bl_op pairing;
    bl_status paired;
    bool done;
};

static struct beside beside;

static void beside_begin(struct flood *f)
{
    memset(&beside, 0, sizeof(beside));
    for (size_t i = 0; i < f->s->n; i++) {
        struct bl_config config;
        bl_host_get_config(f->s->end[i].host, &config);
        config.io = 3; /* nothing: Just Works */
        config.pairable = true;
        ck_assert_int_eq(bl_host_set_config(f->s->end[i].host, f->s->now, &config), 0);
        rig_fill(f->s, i, 50, &beside.db[i]);
    }
}

static void beside_step(struct flood *f)
{
    for (unsigned l = 0; l < f->n_links; l++)
        for (unsigned k = 0; k < 2; k++) {
            size_t end = f->link[l].ends[k], other = f->link[l].ends[1 - k];
            struct bl_host *h = f->s->end[end].host;
            uint8_t value[20] = {(uint8_t)l};
            uint16_t sent;
            bl_op op;
            if (!beside.of[l][k].read) {
                beside.of[l][k].since = f->s->now;
                stack_need(bl_gattc_read(h, f->s->now, f->link[l].conns[k],
                                         beside.db[other].value[5], 0, false,
                                         &beside.of[l][k].read) == 0);
            }
            if (f->s->now < beside.of[l][k].next)
                continue;
            beside.of[l][k].next = f->s->now + 5 * STEP;
            int r = bl_gatts_notify(h, f->s->now, f->link[l].conns[k], beside.db[end].streaming[0],
                                    value, sizeof(value), &sent, &op);
            stack_need(r >= 0 || r == -EAGAIN || r == -EBUSY);
        }
}

/* Before coc_look(), which forgets. */
static void beside_look(struct flood *f)
{
    for (size_t end = 0; end < f->s->n; end++)
        for (size_t i = 0; i < f->s->end[end].n_events; i++) {
            const struct bl_event *e = &f->s->end[end].events[i];
            stack_need(e->kind != BL_EV_DISCONNECTED);
            if (e->kind == BL_EV_OP_DONE && e->done.op == beside.pairing && end == 1) {
                beside.paired = e->done.status;
                beside.done = true;
            }
            for (unsigned l = 0; l < f->n_links; l++)
                for (unsigned k = 0; k < 2; k++) {
                    if (f->link[l].ends[k] != end)
                        continue;
                    if (e->kind == BL_EV_GATTC_NOTIFIED && e->gatt.conn == f->link[l].conns[k])
                        beside.of[l][k].notified++;
                    if (e->kind != BL_EV_OP_DONE || e->done.op != beside.of[l][k].read)
                        continue;
                    stack_need(e->done.status == BL_OK);
                    uint64_t took = f->s->now - beside.of[l][k].since;
                    if (took > beside.of[l][k].slowest)
                        beside.of[l][k].slowest = took;
                    beside.of[l][k].reads++;
                    beside.of[l][k].read = 0;
                }
        }
}

/* ---- the flood ---- */

static void add_link(struct flood *f, size_t a, size_t b)
{
    unsigned l = f->n_links++;

    stack_forget(f->s);
    stack_connect(f->s, a, b, &f->link[l].conns[0], &f->link[l].conns[1]);
    f->link[l].ends[0] = a;
    f->link[l].ends[1] = b;
}

/* n channels on a link, opened from either end, of both modes. */
static void add_channels(struct flood *f, unsigned l, unsigned n, const uint16_t *fixed)
{
    for (unsigned done = 0; done < n;) {
        unsigned opener = draw(f, 2), count = 1 + draw(f, 5);
        bool enhanced = draw(f, 2) == 1;
        uint16_t ours = fixed ? *fixed : mtus[draw(f, MTUS)];
        uint16_t theirs = fixed ? *fixed : mtus[draw(f, MTUS)];
        count = !enhanced ? 1 : count < n - done ? count : n - done;
        if (enhanced) {
            ours = ours < 64 ? 64 : ours;
            theirs = theirs < 64 ? 64 : theirs;
        }
        const size_t ends[2] = {f->link[l].ends[opener], f->link[l].ends[1 - opener]};
        const uint16_t conns[2] = {f->link[l].conns[opener], f->link[l].conns[1 - opener]};
        coc_listen(f->s, ends[1], PSM, theirs);
        coc_open(f->s, &f->channels[f->n], count, ends, conns, PSM, ours, enhanced);
        ck_assert_int_eq(bl_l2cap_unlisten(f->s->end[ends[1]].host, f->s->now, PSM), 0);
        f->n += count;
        done += count;
    }
}

/* Reads something, in some way, or stands still for up to three seconds. */
static void read_some(struct flood *f, struct coc_half *h)
{
    if (f->s->now < h->stalled_until)
        return;
    if (h->stalled_until)
        coc_check_window(f->s, h, 65536);
    h->stalled_until = 0;
    coc_read(f->s, h, draw(f, 4) == 0 ? draw(f, 5000) : SIZE_MAX,
             draw(f, 3) == 0 ? 1 + draw(f, 3000) : 0);
    if (draw(f, 40) == 0) {
        h->stalled_until = f->s->now + 10000 + draw(f, draw(f, 8) == 0 ? 3000000 : 300000);
        f->stalls++;
    }
}

/* What a peer can have a connection hold, in all. */
static void check_held(const struct flood *f, unsigned l, unsigned k)
{
    size_t held = 0;

    for (unsigned i = 0; i < f->n; i++)
        for (unsigned j = 0; j < 2; j++) {
            const struct coc_half *h = &f->channels[i].half[j];
            size_t bytes, sdus;
            if (h->end != f->link[l].ends[k] || h->conn != f->link[l].conns[k])
                continue;
            ck_assert_int_eq(
                bl_l2cap_available(f->s->end[h->end].host, h->conn, h->cid, &bytes, &sdus), 0);
            struct bl_l2cap_info info = coc_info(f->s, h);
            held += bytes + (size_t)info.peer_credits * info.our_mps;
        }
    ck_assert_uint_le(held, BL_MAX_CHANNEL_RX);
}

/* What was taken of a writer and has not come: what is queued here, and what is on its way. */
static void check_queued(const struct flood *f)
{
    for (unsigned i = 0; i < f->n; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct coc_half *w = &f->channels[i].half[k], *h = &f->channels[i].half[1 - k];
            struct bl_l2cap_info info = coc_info(f->s, h);
            size_t most = BL_MAX_CHANNEL_TX + 65535u + info.our_mtu + 64u * info.our_mps;
            ck_assert_uint_ge(w->written_bytes, info.rx_bytes);
            ck_assert_uint_le(w->written_bytes - info.rx_bytes, most);
        }
}

static bool flood_step(struct flood *f, uint64_t bytes, bool stalls)
{
    bool done = true;

    for (unsigned i = 0; i < f->n; i++)
        for (unsigned k = 0; k < 2; k++) {
            struct coc_half *w = &f->channels[i].half[k], *h = &f->channels[i].half[1 - k];
            coc_write(f->s, w, bytes, UINT32_MAX);
            if (stalls)
                read_some(f, h);
            else
                coc_read(f->s, h, SIZE_MAX, 0);
            done &= w->written_bytes >= bytes && !w->blocked && h->read == w->written;
        }
    return done;
}

static void flood_run(struct flood *f, uint64_t bytes, bool with_others)
{
    bool done = false;

    for (unsigned round = 0; !done; round++) {
        stack_need(round < 10000000);
        done = flood_step(f, bytes, true);
        if (with_others)
            beside_step(f);
        if (round == 20 && with_others)
            ck_assert_int_eq(bl_pair(f->s->end[1].host, f->s->now, f->link[0].conns[1],
                                     &(struct bl_pair_params){0}, &beside.pairing),
                             0);
        stack_run(f->s, STEP);
        beside_look(f);
        coc_look(f->s, f->channels, f->n);
        if (round % 50 == 0) {
            check_queued(f);
            for (unsigned l = 0; l < f->n_links; l++)
                for (unsigned k = 0; k < 2; k++)
                    check_held(f, l, k);
        }
    }
    for (unsigned i = 0; i < f->n; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct coc_half *h = &f->channels[i].half[k];
            struct bl_l2cap_info info = coc_info(f->s, h);
            ck_assert_uint_eq(h->told, h->read);
            ck_assert_uint_eq(info.rx_bytes, h->read_bytes);
            ck_assert_uint_eq(info.rx_bytes, f->channels[i].half[1 - k].written_bytes);
            ck_assert_uint_ge(h->read_bytes, bytes);
            ck_assert_uint_eq(h->ended, 0);
        }
}

static void flood_begin(struct flood *f, uint64_t seed, size_t n,
                        const struct bl_air_config *configs)
{
    memset(f, 0, sizeof(*f));
    f->random = (uint32_t)seed * 2654435761u + 1;
    f->s = stack_new_each(seed, n, configs);
}

static void flood_end(struct flood *f)
{
    coc_free(f->channels, f->n);
    stack_free(f->s);
}

START_TEST(channels_of_64_carry_10_mb_each_way)
{
    struct bl_air_config configs[STACK_HOSTS];
    static const uint16_t acl[STACK_HOSTS] = {27, 192, 251, 1021};
    struct flood *f = &flood;
    uint64_t bytes = each_way(10 * MB, ALL);

    for (unsigned i = 0; i < STACK_HOSTS; i++) {
        configs[i] = i % 2 == 0 ? bl_air_config_default() : bl_air_config_v42();
        configs[i].acl_len = acl[i];
    }
    flood_begin(f, 11, STACK_HOSTS, configs);
    beside_begin(f);
    for (size_t l = 0; l < LINKS; l++)
        add_link(f, l, (l + 1) % LINKS);
    for (unsigned l = 0; l < LINKS; l++)
        add_channels(f, l, PER_LINK, NULL);
    ck_assert_uint_eq(f->n, ALL);
    flood_run(f, bytes, true);
    ck_assert_uint_gt(f->stalls, 100);
    ck_assert(beside.done);
    ck_assert_uint_eq(beside.paired, BL_OK);
    for (unsigned l = 0; l < LINKS; l++)
        for (unsigned k = 0; k < 2; k++) {
            ck_assert_uint_gt(beside.of[l][k].reads, 30);
            ck_assert_uint_gt(beside.of[l][k].notified, 100);
            ck_assert_msg(beside.of[l][k].slowest < 2 * SECOND, "a read took %llu us",
                          (unsigned long long)beside.of[l][k].slowest);
        }
    flood_end(f);
}
END_TEST

/* A quarter of the packets are lost and sent again. */
START_TEST(a_lossy_medium_loses_nothing)
{
    struct bl_air_config configs[2] = {bl_air_config_v40(), bl_air_config_default()};
    struct flood *f = &flood;

    flood_begin(f, 12, 2, configs);
    add_link(f, 0, 1);
    add_channels(f, 0, PER_LINK, NULL);
    ck_assert_int_eq(bl_air_set_loss(f->s->air, f->s->now, f->s->end[0].controller,
                                     f->s->end[1].controller, 250),
                     0);
    flood_run(f, 20000, false);
    flood_end(f);
}
END_TEST

/* All want to send all the time: none gets much more or less than the others. */
START_TEST(channels_share_the_link)
{
    static const uint16_t mtu = 500;
    struct bl_air_config configs[2] = {bl_air_config_default(), bl_air_config_default()};
    struct flood *f = &flood;

    flood_begin(f, 13, 2, configs);
    add_link(f, 0, 1);
    add_channels(f, 0, _i == 0 ? 4 : 64, &mtu); /* with the same windows */
    for (unsigned round = 0; round < 1000; round++) {
        flood_step(f, UINT64_MAX, false);
        stack_run(f->s, STEP);
        coc_look(f->s, f->channels, f->n);
    }
    uint64_t least[2] = {UINT64_MAX, UINT64_MAX}, most[2] = {0};
    for (unsigned i = 0; i < f->n; i++)
        for (unsigned k = 0; k < 2; k++) {
            const struct coc_half *h = &f->channels[i].half[k];
            least[h->end] = h->read_bytes < least[h->end] ? h->read_bytes : least[h->end];
            most[h->end] = h->read_bytes > most[h->end] ? h->read_bytes : most[h->end];
        }
    for (unsigned end = 0; end < 2; end++)
        ck_assert_msg(most[end] < least[end] + least[end] / 2 + 4000, "%llu and %llu octets",
                      (unsigned long long)least[end], (unsigned long long)most[end]);
    flood_end(f);
}
END_TEST

/* However much is queued on channels, a read has few frames before it. */
START_TEST(a_request_waits_for_few_frames)
{
    struct bl_air_config configs[2] = {bl_air_config_v40(), bl_air_config_default()};
    static const uint16_t mtu = 65535;
    struct flood *f = &flood;
    uint64_t slowest = 0;

    configs[0].acl_len = _i == 0 ? 27 : 251;
    flood_begin(f, 14, 2, configs);
    beside_begin(f);
    add_link(f, 0, 1);
    add_channels(f, 0, 5, &mtu);
    for (unsigned round = 0; round < 500; round++) {
        flood_step(f, UINT64_MAX, false);
        beside_step(f);
        stack_run(f->s, STEP);
        beside_look(f);
        coc_look(f->s, f->channels, f->n);
    }
    for (unsigned k = 0; k < 2; k++) {
        ck_assert_uint_gt(beside.of[0][k].reads, 15);
        slowest = beside.of[0][k].slowest > slowest ? beside.of[0][k].slowest : slowest;
    }
    ck_assert_msg(slowest < SECOND, "a read took %llu us", (unsigned long long)slowest);
    flood_end(f);
}
END_TEST

static Suite *flood_suite(void)
{
    Suite *suite = suite_create("stack/l2cap_flood");
    TCase *t = tcase_create("floods");

    tcase_set_timeout(t, getenv("BLED_FLOOD_KB") ? 3600 : 120);
    tcase_add_test(t, channels_of_64_carry_10_mb_each_way);
    tcase_add_test(t, a_lossy_medium_loses_nothing);
    tcase_add_loop_test(t, channels_share_the_link, 0, 2);
    tcase_add_loop_test(t, a_request_waits_for_few_frames, 0, 2);
    suite_add_tcase(suite, t);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(flood_suite());

    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
