/* SPDX-License-Identifier: MIT */
/*
 * l2cap: a host sends, or receives, so many SDUs of so many octets on a connection-oriented
 * channel: what l2cap.py counts is in sdu_out() or sdu_in() alone, from the command to the HCI
 * packets, or from those to what is read; the controller's and the peer's credits are seen to
 * within. Packets are of 192 octets. What is allocated and copied meanwhile is printed.
 *
 *     l2cap out|in SDUS OCTETS
 */

#include "oom.h"
#include "stack.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PSM = 0x80, ACL = 192, HEADERS = 5 + 4, WARM = 500 };

static unsigned long sdus, octets, allocations, packets, copied;
static bool out;

static struct bench {
    struct bl_host *host;
    uint64_t now;
    uint16_t conn, cid, handle, peer_cid;
    unsigned long credits; /* that the one that sends has */
    uint16_t mps;
} b;

static const uint8_t sdu[65535];

/* By the linker's --wrap: copies whose length the compiler does not know. */
void *__wrap_memcpy(void *to, const void *from, size_t n);
void *__wrap_memmove(void *to, const void *from, size_t n);
void *__real_memcpy(void *to, const void *from, size_t n);
void *__real_memmove(void *to, const void *from, size_t n);

void *__wrap_memcpy(void *to, const void *from, size_t n)
{
    copied += n;
    return __real_memcpy(to, from, n);
}

void *__wrap_memmove(void *to, const void *from, size_t n)
{
    copied += n;
    return __real_memmove(to, from, n);
}

static void bench_receive(const uint8_t *packet, size_t n)
{
    if (bl_host_receive(b.host, b.now, packet, n) < 0)
        abort();
}

/* As many controllers do: an event a packet. */
static void bench_completed(void)
{
    uint8_t event[] = {0x04, 0x13, 5, 1, (uint8_t)b.handle, (uint8_t)(b.handle >> 8), 1, 0};

    bench_receive(event, sizeof(event));
}

static void bench_give(uint16_t n)
{
    uint8_t packet[] = {0x02,
                        (uint8_t)b.handle,
                        (uint8_t)(b.handle >> 8 | 0x20),
                        12,
                        0,
                        8,
                        0,
                        5,
                        0,
                        0x16,
                        1,
                        4,
                        0,
                        (uint8_t)b.peer_cid,
                        (uint8_t)(b.peer_cid >> 8),
                        (uint8_t)n,
                        (uint8_t)(n >> 8)};

    bench_receive(packet, sizeof(packet));
    b.credits += n;
}

/* What the host has to send, and the peer's credits among it. */
static void bench_next_tx(void)
{
    const uint8_t *p;
    size_t n;

    while ((n = bl_host_next_tx(b.host, b.now, &p)) > 0) {
        if (p[0] != 0x02)
            abort();
        packets++;
        if (p[7] == 5 && p[9] == 0x16)
            b.credits += (unsigned long)(p[15] | p[16] << 8);
        bench_completed();
    }
}

__attribute__((noinline)) static void sdu_out(void)
{
    struct bl_event event;

    if (bl_l2cap_send(b.host, b.now, b.conn, b.cid, sdu, octets) < 0)
        abort();
    bench_next_tx();
    while (bl_host_next_event(b.host, &event))
        ;
    __asm__ volatile("" ::: "memory");
}

__attribute__((noinline)) static void sdu_in(uint8_t *packet)
{
    struct bl_event event;
    const uint8_t *p;
    size_t n;

    for (size_t left = octets + 2; left > 0;) {
        size_t part = left < b.mps ? left : b.mps;
        if (b.credits-- == 0)
            abort();
        packet[3] = (uint8_t)(4 + part);
        packet[5] = (uint8_t)part;
        packet[9] = (uint8_t)octets; /* of the first one; the others may hold anything */
        packet[10] = (uint8_t)(octets >> 8);
        bench_receive(packet, HEADERS + part);
        packets++;
        left -= part;
    }
    while (bl_host_next_event(b.host, &event)) {
        if (event.kind != BL_EV_L2CAP_RECEIVED)
            abort();
        if (!bl_l2cap_peek(b.host, b.conn, b.cid, 0, &p, &n) || n != octets ||
            bl_l2cap_consume(b.host, b.now, b.conn, b.cid, n) < 0)
            abort();
    }
    bench_next_tx();
    __asm__ volatile("" ::: "memory");
}

/* The peer is this program, once the channel is open. */
static void bench_all(void)
{
    uint8_t packet[HEADERS + ACL] = {
        0x02,           (uint8_t)b.handle,    (uint8_t)(b.handle >> 8 | 0x20), 0, 0, 0, 0,
        (uint8_t)b.cid, (uint8_t)(b.cid >> 8)};

    for (unsigned long i = 0; i < sdus + WARM; i++) { /* some to begin with, for memory */
        if (i == WARM) {
            packets = copied = 0;
            oom_fail_at(0);
        }
        if (out && b.credits < octets / b.mps + 2)
            bench_give((uint16_t)(octets / b.mps + 2));
        if (out) {
            sdu_out();
            b.credits -= (octets + 2 + b.mps - 1) / b.mps;
        } else {
            sdu_in(packet);
        }
    }
    allocations = oom_count();
    oom_off();
}

START_TEST(sdus_are_carried)
{
    struct bl_air_config config = bl_air_config_default();
    struct bl_l2cap_listen listen = {.psm = PSM, .mtu = 65535};
    struct bl_l2cap_connect connect = {.psm = PSM, .mtu = 65535};
    struct bl_l2cap_info info;
    struct bl_conn_info conn;
    uint16_t theirs;
    bl_op op;

    config.acl_len = ACL;
    struct stack *s = stack_new(1, 2, &config);
    if (octets > 23)
        listen.mtu = connect.mtu = (uint16_t)octets;
    else
        listen.mtu = connect.mtu = 23;
    stack_connect(s, 0, 1, &b.conn, &theirs);
    stack_settle(s);
    ck_assert_int_eq(bl_l2cap_listen(s->end[0].host, &listen), 0);
    ck_assert_int_eq(bl_l2cap_connect(s->end[1].host, s->now, theirs, &connect, &op), 0);
    struct bl_event e = stack_wait(s, 0, BL_EV_L2CAP_CONNECTED, 5000000);
    stack_settle(s);
    b.host = s->end[0].host;
    b.now = s->now;
    b.cid = e.l2cap.cid;
    ck_assert_int_eq(bl_conn_info(b.host, b.conn, &conn), 0);
    ck_assert_int_eq(bl_l2cap_info(b.host, b.conn, b.cid, &info), 0);
    b.handle = conn.handle;
    b.peer_cid = info.peer_cid;
    b.credits = out ? info.credits : info.peer_credits;
    b.mps = out ? info.peer_mps : info.our_mps;
    stack_forget(s);
    bench_all();
    exit(0); /* the air has not heard of all this */
}
END_TEST

static void report(void)
{
    printf("allocations %lu copied %lu packets %lu\n", allocations, copied, packets);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    out = strcmp(argv[1], "out") == 0;
    sdus = strtoul(argv[2], NULL, 10);
    octets = strtoul(argv[3], NULL, 10);
    atexit(report);
    Suite *suite = suite_create("bench/l2cap");
    TCase *t = tcase_create("sdus");
    tcase_add_test(t, sdus_are_carried);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    return 1;
}
