/* SPDX-License-Identifier: MIT */

#include "stack.h"

#include "base/timerq.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

enum { STACK_EVENTS = 256, STACK_CHUNK = 65536, STACK_ROUNDS = 100000 };

/* Bytes that events borrowed from the host: appended to, freed as a whole. */
struct stack_chunk {
    struct stack_chunk *next;
    size_t used;
    uint8_t bytes[STACK_CHUNK];
};

/* A generator of its own for each end, so that a test repeats to the bit. */
static int stack_random(void *ctx, void *out, size_t n)
{
    struct stack_end *e = ctx;
    uint8_t *p = out;

    for (size_t i = 0; i < n; i++) {
        e->random_state ^= e->random_state << 13;
        e->random_state ^= e->random_state >> 17;
        e->random_state ^= e->random_state << 5;
        p[i] = (uint8_t)(e->random_state >> 11);
    }
    return 0;
}

/* `step`: from one end's configuration to the next one's. */
static struct stack *stack_make(uint64_t seed, size_t n, const struct bl_air_config *configs,
                                size_t step)
{
    struct stack *s = calloc(1, sizeof(*s));

    ck_assert_ptr_nonnull(s);
    ck_assert_uint_le(n, STACK_HOSTS);
    s->air = bl_air_new(seed);
    ck_assert_ptr_nonnull(s->air);
    s->n = n;
    s->now = 1000000;
    for (size_t i = 0; i < n; i++) {
        struct stack_end *e = &s->end[i];
        struct bl_air_config mine = configs[i * step];
        struct bl_env env = {.random = stack_random, .ctx = e};
        struct bl_config settings = {.addr_mode = BL_ADDR_MODE_PUBLIC,
                                     .irk = {(uint8_t)(i + 1), 7}};

        mine.public.b[0] = (uint8_t)(0x10 + i);
        e->random_state = (uint32_t)seed * 7919u + (uint32_t)i + 1;
        e->controller = bl_air_add(s->air, &mine);
        ck_assert_int_ge(e->controller, 0);
        ck_assert_int_eq(bl_host_new(&e->host, &env, &settings), 0);
        bl_air_power_on(s->air, s->now, e->controller);
    }
    return s;
}

static struct stack *stack_start(struct stack *s)
{
    for (size_t i = 0; i < s->n; i++) {
        bl_op op;
        ck_assert_int_eq(bl_host_start(s->end[i].host, s->now, &op), 0);
        struct bl_event e = stack_done(s, i, op, 1000000);
        ck_assert_uint_eq(e.done.status, BL_OK);
    }
    stack_forget(s);
    return s;
}

struct stack *stack_new_off(uint64_t seed, size_t n, const struct bl_air_config *config)
{
    return stack_make(seed, n, config, 0);
}

struct stack *stack_new(uint64_t seed, size_t n, const struct bl_air_config *config)
{
    return stack_start(stack_new_off(seed, n, config));
}

struct stack *stack_new_each(uint64_t seed, size_t n, const struct bl_air_config *configs)
{
    return stack_start(stack_make(seed, n, configs, 1));
}

void stack_free(struct stack *s)
{
    for (unsigned i = 0; i < bl_air_violations(s->air); i++)
        ck_abort_msg("the controller complains: %s", bl_air_violation(s->air, i));
    for (size_t i = 0; i < s->n; i++) {
        s->end[i].host = bl_host_free(s->end[i].host);
        free(s->end[i].events);
        for (struct stack_chunk *c = s->end[i].bytes, *next; c; c = next) {
            next = c->next;
            free(c);
        }
    }
    s->air = bl_air_free(s->air);
    free(s);
}

static const uint8_t *stack_copy(struct stack_end *e, const uint8_t *data, size_t n)
{
    stack_need(n <= STACK_CHUNK);
    if (!e->bytes || STACK_CHUNK - e->bytes->used < n) {
        struct stack_chunk *c = malloc(sizeof(*c));
        stack_need(c);
        c->next = e->bytes;
        c->used = 0;
        e->bytes = c;
    }
    uint8_t *copy = e->bytes->bytes + e->bytes->used;
    if (n > 0)
        memcpy(copy, data, n);
    e->bytes->used += n;
    return copy;
}

static void stack_keep(struct stack_end *e)
{
    struct bl_event event;

    while (bl_host_next_event(e->host, &event)) {
        if (e->n_events == e->cap_events) {
            e->cap_events = e->cap_events ? 2 * e->cap_events : STACK_EVENTS;
            e->events = realloc(e->events, e->cap_events * sizeof(*e->events));
            stack_need(e->events);
        }
        if (event.kind == BL_EV_REPORT)
            event.report.data = stack_copy(e, event.report.data, event.report.len);
        else if (event.kind >= BL_EV_NAME_WRITTEN && event.kind <= BL_EV_GATTC_SERVICES_CHANGED)
            event.gatt.value.data = stack_copy(e, event.gatt.value.data, event.gatt.value.len);
        e->events[e->n_events++] = event;
    }
}

static int stack_give(struct stack *s, struct stack_end *e, const uint8_t *packet, size_t n)
{
    if (s->enter)
        s->enter();
    int r = bl_host_receive(e->host, s->now, packet, n);
    if (s->leave)
        s->leave();
    return r;
}

static void stack_tick(struct stack *s, struct stack_end *e)
{
    if (s->enter)
        s->enter();
    bl_host_tick(e->host, s->now);
    if (s->leave)
        s->leave();
}

static size_t stack_take(struct stack *s, struct stack_end *e, const uint8_t **bytes)
{
    if (s->enter)
        s->enter();
    size_t n = bl_host_next_tx(e->host, s->now, bytes);
    if (s->leave)
        s->leave();
    return n;
}

/* Whether anything was carried. */
static bool stack_carry(struct stack *s, struct stack_end *e)
{
    const uint8_t *bytes;
    bool moved = false;
    size_t n;

    stack_keep(e);
    if (e->dead)
        return false;
    while ((n = stack_take(s, e, &bytes)) > 0) {
        if (e->tap)
            e->tap(s, (size_t)(e - s->end), bytes, n);
        bl_air_receive(s->air, s->now, e->controller, bytes, n);
        e->packets_out++;
        moved = true;
    }
    while ((n = bl_air_next_tx(s->air, e->controller, &bytes)) > 0) {
        uint8_t packet[2048];
        stack_need(n <= sizeof(packet));
        memcpy(packet, bytes, n);
        moved = true;
        if (e->die_after && e->packets_in == e->die_after) {
            e->dead = true;
            bl_air_power_off(s->air, s->now, e->controller);
            bl_host_stop(e->host, s->now);
            stack_keep(e);
            return true;
        }
        e->packets_in++;
        if (e->deaf && packet[0] == 0x02)
            continue;
        while (stack_give(s, e, packet, n) < 0)
            stack_keep(e);
        stack_keep(e);
        if (e->call_after && e->packets_in >= e->call_after) {
            e->call_after = 0;
            e->call(s, (size_t)(e - s->end));
        }
    }
    return moved;
}

void stack_settle(struct stack *s)
{
    bool moved = true;

    for (unsigned round = 0; moved; round++) {
        stack_need(round < STACK_ROUNDS); /* packets without end */
        moved = false;
        for (size_t i = 0; i < s->n; i++)
            moved |= stack_carry(s, &s->end[i]);
    }
}

static uint64_t stack_deadline(const struct stack *s)
{
    uint64_t at = bl_air_deadline(s->air);

    for (size_t i = 0; i < s->n; i++) {
        uint64_t mine = s->end[i].dead ? TIMERQ_NEVER : bl_host_deadline(s->end[i].host);
        if (mine < at)
            at = mine;
    }
    return at;
}

/* One step towards `until`: false when that is reached. */
static bool stack_step(struct stack *s, uint64_t until)
{
    stack_settle(s);
    uint64_t at = stack_deadline(s);
    if (at > until) {
        s->now = until;
        return false;
    }
    if (at > s->now)
        s->now = at;
    s->steps++;
    bl_air_tick(s->air, s->now);
    for (size_t i = 0; i < s->n; i++)
        if (!s->end[i].dead && bl_host_deadline(s->end[i].host) <= s->now)
            stack_tick(s, &s->end[i]);
    stack_settle(s);
    return true;
}

void stack_run(struct stack *s, uint64_t us)
{
    uint64_t until = s->now + us;
    unsigned stuck = 0;
    uint64_t last = s->now;

    while (stack_step(s, until)) {
        stuck = s->now == last ? stuck + 1 : 0;
        last = s->now;
        stack_need(stuck < STACK_ROUNDS); /* time stands still */
    }
}

bool stack_poll(struct stack *s, size_t end, enum bl_event_kind kind, uint64_t us,
                struct bl_event *ret)
{
    struct stack_end *e = &s->end[end];
    uint64_t until = s->now + us;

    stack_settle(s);
    do {
        while (e->taken < e->n_events) {
            const struct bl_event *event = &e->events[e->taken++];
            if (event->kind == kind) {
                *ret = *event;
                return true;
            }
        }
    } while (stack_step(s, until) || e->taken < e->n_events);
    return false;
}

struct bl_event stack_wait(struct stack *s, size_t end, enum bl_event_kind kind, uint64_t us)
{
    struct bl_event e;

    ck_assert_msg(stack_poll(s, end, kind, us, &e), "no event %d at end %zu within %llu us",
                  (int)kind, end, (unsigned long long)us);
    return e;
}

struct bl_event stack_done(struct stack *s, size_t end, bl_op op, uint64_t us)
{
    struct stack_end *e = &s->end[end];
    uint64_t until = s->now + us;
    size_t look = 0;

    stack_settle(s);
    do {
        for (; look < e->n_events; look++)
            if (e->events[look].kind == BL_EV_OP_DONE && e->events[look].done.op == op)
                return e->events[look];
    } while (stack_step(s, until) || look < e->n_events);
    ck_abort_msg("command %u at end %zu did not end within %llu us", op, end,
                 (unsigned long long)us);
    return (struct bl_event){0};
}

unsigned stack_count(const struct stack *s, size_t end, enum bl_event_kind kind)
{
    const struct stack_end *e = &s->end[end];
    unsigned n = 0;

    for (size_t i = e->taken; i < e->n_events; i++)
        n += e->events[i].kind == kind;
    return n;
}

void stack_forget(struct stack *s)
{
    stack_settle(s);
    for (size_t i = 0; i < s->n; i++)
        s->end[i].n_events = s->end[i].taken = 0;
}

struct bl_addr stack_addr(const struct stack *s, size_t end)
{
    struct bl_controller_info info;

    bl_host_info(s->end[end].host, &info);
    return info.current;
}

uint64_t stack_counter(const struct stack *s, size_t end, const char *name)
{
    const char *found;
    uint64_t value;

    for (size_t i = 0; bl_host_counter(s->end[end].host, i, &found, &value); i++)
        if (strcmp(found, name) == 0)
            return value;
    ck_abort_msg("no counter %s", name);
    return 0;
}

void stack_inject(struct stack *s, size_t end, uint16_t conn, uint16_t cid, const void *payload,
                  size_t n)
{
    struct bl_conn_info info;
    uint8_t packet[1024];

    ck_assert_int_eq(bl_conn_info(s->end[end].host, conn, &info), 0);
    ck_assert_uint_le(n, sizeof(packet) - 9);
    packet[0] = 0x02;
    packet[1] = (uint8_t)info.handle;
    packet[2] = (uint8_t)(info.handle >> 8 | 0x20); /* a first fragment */
    packet[3] = (uint8_t)(n + 4);
    packet[4] = (uint8_t)((n + 4) >> 8);
    packet[5] = (uint8_t)n;
    packet[6] = (uint8_t)(n >> 8);
    packet[7] = (uint8_t)cid;
    packet[8] = (uint8_t)(cid >> 8);
    memcpy(packet + 9, payload, n);
    ck_assert_int_eq(bl_air_inject(s->air, s->now, s->end[end].controller, packet, 9 + n), 0);
}

void stack_connect(struct stack *s, size_t a, size_t b, uint16_t *ret_a, uint16_t *ret_b)
{
    struct bl_adv_params adv = {.interval_us = 30000,
                                .connectable = true,
                                .scannable = true,
                                .addr_mode = BL_ADDR_MODE_DEFAULT};
    struct bl_connect_params to = {
        .peer = stack_addr(s, a), .scan_duration_ms = 5000, .addr_mode = BL_ADDR_MODE_DEFAULT};
    uint16_t id;
    bl_op op;

    ck_assert_int_eq(bl_advertise(s->end[a].host, s->now, 0, &adv, &id, &op), 0);
    ck_assert_uint_eq(stack_done(s, a, op, 1000000).done.status, BL_OK);
    to.peer = stack_addr(s, a);
    ck_assert_int_eq(bl_connect(s->end[b].host, s->now, &to, &id, &op), 0);
    struct bl_event e = stack_done(s, b, op, 6000000);
    ck_assert_uint_eq(e.done.status, BL_OK);
    *ret_b = e.done.conn;
    *ret_a = stack_wait(s, a, BL_EV_CONNECTED, 1000000).connected.conn;
}
