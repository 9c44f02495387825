/* SPDX-License-Identifier: MIT */

/* Data: buffers, fragments, pace, flow control towards the host. */

#include "rig.h"

#include <string.h>

#define SECOND 1000000u

static struct rig *pair(const struct bl_air_config *config, uint16_t h[2])
{
    struct rig *r = rig_new(2, config);

    rig_connect(r, 0, 1, &h[0], &h[1]);
    return r;
}

static const uint8_t octets[300] = {1, 2, 3, 4, 5, 6, 7, 8};

START_TEST(data_crosses_and_is_counted_completed)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    rig_acl(r, 1, h[1], 0, octets, 20);
    const struct rig_packet *p = rig_wait_acl(r, 0, SECOND);
    ck_assert_uint_eq(p->n, 25);
    ck_assert_uint_eq(rig_u16(p->b + 1), h[0] | 0x2000);
    ck_assert_mem_eq(p->b + 5, octets, 20);
    const uint8_t *e = rig_wait(r, 1, 0x13, 0, 0);
    ck_assert_uint_eq(e[0], 1);
    ck_assert_uint_eq(rig_u16(e + 1), h[1]);
    ck_assert_uint_eq(rig_u16(e + 3), 1);
    rig_free(r);
}
END_TEST

START_TEST(packets_longer_than_the_links_arrive_in_fragments)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);
    uint8_t got[100];
    size_t n = 0;

    rig_acl(r, 1, h[1], 0, octets, 100);
    for (unsigned k = 0; n < 100; k++) {
        const struct rig_packet *p = rig_wait_acl(r, 0, SECOND);
        ck_assert_uint_le(p->n, 5 + 27);
        ck_assert_uint_eq(p->b[2] >> 4, k == 0 ? 2 : 1);
        memcpy(got + n, p->b + 5, p->n - 5);
        n += p->n - 5;
    }
    ck_assert_uint_eq(n, 100);
    ck_assert_mem_eq(got, octets, 100);
    rig_free(r);
}
END_TEST

START_TEST(paced_data_waits_for_connection_events)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);
    uint64_t first = 0;

    for (unsigned k = 0; k < 5; k++) {
        rig_acl(r, 1, h[1], 0, octets, 10);
        rig_wait_acl(r, 0, SECOND);
        if (first)
            ck_assert_uint_eq((r->now - first) % 30000, 0);
        else
            first = r->now;
        rig_run(r, 7000);
    }
    rig_free(r);
}
END_TEST

START_TEST(paced_data_is_no_faster_than_the_phy)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);
    unsigned sent = 0;
    uint64_t start = r->now;

    /* 27 octets at a time, 1 Mbit/s: each pair of packets takes 676 us at least */
    for (unsigned k = 0; k < 6; k++, sent++)
        rig_acl(r, 1, h[1], 0, octets, 251);
    while (sent < 100) {
        uint16_t done = rig_u16(rig_wait(r, 1, 0x13, 0, SECOND) + 3);
        for (unsigned k = 0; k < done; k++, sent++)
            rig_acl(r, 1, h[1], 0, octets, 251);
    }
    ck_assert_uint_ge(r->now - start, 94 * 10 * 676);
    rig_free(r);
}
END_TEST

START_TEST(unpaced_data_crosses_at_once)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);
    uint64_t start = r->now;

    bl_air_set_pace(r->air, r->now, BL_AIR_NONE);
    for (unsigned k = 0; k < 1000; k++) {
        rig_acl(r, 1, h[1], 0, octets, 20);
        rig_wait_acl(r, 0, 0);
        rig_wait(r, 1, 0x13, 0, 0);
    }
    ck_assert_uint_eq(r->now, start);
    rig_free(r);
}
END_TEST

START_TEST(more_packets_than_buffers_are_a_violation_and_are_dropped)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    for (unsigned k = 0; k < 7; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    rig_wait(r, 1, 0x1a, 0, 0);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 6);
    rig_violations(r, 1, "more ACL packets than the 6 buffers");
    for (unsigned k = 0; k < 6; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 6);
    rig_free(r);
}
END_TEST

START_TEST(a_buffer_is_in_use_until_the_host_was_told_otherwise)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    bl_air_set_pace(r->air, r->now, BL_AIR_NONE);
    r->c[1].deaf = true; /* completions wait, unread */
    for (unsigned k = 0; k < 7; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    rig_violations(r, 1, "more ACL packets");
    rig_free(r);
}
END_TEST

START_TEST(malformed_packets_are_violations)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];

    config.acl_len = 27;
    struct rig *r = pair(&config, h);
    rig_acl(r, 1, h[1], 0, octets, 28);
    rig_violations(r, 1, "longer than the buffers");
    rig_acl(r, 1, 0x0123, 0, octets, 5);
    rig_violations(r, 1, "handle 0x0123");
    rig_acl(r, 1, h[1], 3, octets, 5);
    rig_violations(r, 1, "AMP");
    rig_acl(r, 1, h[1], 0, octets, 0);
    rig_violations(r, 1, "empty");
    rig_acl(r, 1, h[1], 4, octets, 5);
    rig_violations(r, 1, "broadcast");
    rig_send(r, 1, "02 40 00 05 00 01");
    rig_violations(r, 1, "length");
    rig_send(r, 1, "03 40 00 01 01");
    rig_violations(r, 1, "packet type 0x03");
    rig_send(r, 1, "01 03 0c 01");
    rig_violations(r, 1, "length");
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 0);
    rig_acl(r, 1, h[1], 0, octets, 27);
    rig_wait_acl(r, 0, SECOND);
    rig_free(r);
}
END_TEST

START_TEST(data_that_crosses_a_disconnection_is_no_violation)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    rig_ok(r, 0, 0x0406, "%02x %02x 13", h[0] & 255, h[0] >> 8);
    rig_wait(r, 1, 0x05, 0, SECOND);
    rig_acl(r, 1, h[1], 0, octets, 20);
    rig_violations(r, 0, "");
    rig_run(r, 2 * SECOND);
    rig_acl(r, 1, h[1], 0, octets, 20);
    rig_violations(r, 1, "which is none");
    rig_free(r);
}
END_TEST

START_TEST(buffers_of_a_connection_that_ends_are_free_again)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    bl_air_set_rssi(r->air, r->now, 0, 1, BL_AIR_OUT_OF_RANGE);
    for (unsigned k = 0; k < 6; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    rig_wait(r, 1, 0x05, 0, 10 * SECOND);
    bl_air_set_rssi(r->air, r->now, 0, 1, -60);
    rig_connect(r, 0, 1, &h[0], &h[1]);
    for (unsigned k = 0; k < 6; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 6);
    rig_free(r);
}
END_TEST

START_TEST(data_sent_before_a_disconnection_arrives_before_it)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    for (unsigned k = 0; k < 6; k++)
        rig_acl(r, 1, h[1], 0, octets, 200);
    rig_ok(r, 1, 0x0406, "%02x %02x 13", h[1] & 255, h[1] >> 8);
    unsigned n = 0;
    for (size_t look = 0; n < 6 * 200;) {
        const struct rig_packet *p = rig_wait_acl(r, 0, SECOND);
        n += (unsigned)p->n - 5;
        (void)look;
    }
    ck_assert_uint_eq(rig_wait(r, 0, 0x05, 0, SECOND)[3], 0x13);
    rig_free(r);
}
END_TEST

START_TEST(loss_slows_data_down_and_loses_none)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    for (unsigned pace = 0; pace < 2; pace++) {
        bl_air_set_pace(r->air, r->now, pace ? BL_AIR_NONE : BL_AIR_PACED);
        bl_air_set_loss(r->air, r->now, 0, 1, 300);
        for (unsigned k = 0; k < 50; k++) {
            rig_acl(r, 1, h[1], 0, octets + k, 20);
            const struct rig_packet *p = rig_wait_acl(r, 0, 3 * SECOND);
            ck_assert_mem_eq(p->b + 5, octets + k, 20);
            rig_wait(r, 1, 0x13, 0, SECOND);
        }
        rig_run(r, 60 * SECOND);
        bl_air_set_loss(r->air, r->now, 0, 1, 0);
    }
    ck_assert_uint_eq(rig_count(r, 0, 0x05, 0, 10 * SECOND), 0);
    rig_free(r);
}
END_TEST

START_TEST(delay_holds_data_back_in_order)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);

    bl_air_set_pace(r->air, r->now, BL_AIR_NONE);
    bl_air_set_delay(r->air, r->now, 0, 1, 123000);
    uint64_t start = r->now;
    rig_acl(r, 1, h[1], 0, octets, 20);
    rig_acl(r, 1, h[1], 0, octets + 1, 20);
    ck_assert_mem_eq(rig_wait_acl(r, 0, SECOND)->b + 5, octets, 20);
    ck_assert_uint_eq(r->now - start, 123000);
    ck_assert_mem_eq(rig_wait_acl(r, 0, SECOND)->b + 5, octets + 1, 20);
    rig_free(r);
}
END_TEST

START_TEST(a_host_that_does_not_read_holds_its_peer_back)
{
    struct bl_air_config config = bl_air_config_v42();
    uint16_t h[2];
    struct rig *r = pair(&config, h);
    unsigned sent = 6;

    bl_air_set_pace(r->air, r->now, BL_AIR_NONE);
    r->c[0].deaf = true;
    for (unsigned k = 0; k < 6; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    const struct rig_packet *p;
    while ((p = rig_poll(r, 1, 0x13, 0, 0)))
        for (unsigned k = 0; k < rig_u16(p->b + 6); k++, sent++)
            rig_acl(r, 1, h[1], 0, octets, 20);
    ck_assert_uint_lt(sent, 200);
    ck_assert_uint_eq(rig_count(r, 1, 0x13, 0, SECOND), 0);
    r->c[0].deaf = false;
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), sent);
    rig_free(r);
}
END_TEST

START_TEST(host_flow_control_limits_what_the_host_gets)
{
    struct bl_air_config config = bl_air_config_v42();
    struct rig *r = rig_new(2, &config);
    uint16_t h[2];

    rig_ok(r, 0, 0x0c33, "1b 00 00 02 00 00 00");
    rig_ok(r, 0, 0x0c31, "01");
    rig_connect(r, 0, 1, &h[0], &h[1]);
    for (unsigned k = 0; k < 5; k++)
        rig_acl(r, 1, h[1], 0, octets, 20);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 2);
    rig_send(r, 0, "01 35 0c 05 01 %02x %02x 01 00", h[0] & 255, h[0] >> 8);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 1);
    rig_send(r, 0, "01 35 0c 05 01 %02x %02x 02 00", h[0] & 255, h[0] >> 8);
    ck_assert_uint_eq(rig_count(r, 0, 0, 0, SECOND), 2);
    rig_send(r, 0, "01 35 0c 05 01 %02x %02x 09 00", h[0] & 255, h[0] >> 8);
    rig_violations(r, 1, "out of range");
    rig_free(r);
}
END_TEST

START_TEST(shared_buffers_are_told_by_the_other_command)
{
    struct bl_air_config config = bl_air_config_v42();

    ck_assert(!config.shared_buffers);
    config.shared_buffers = true;
    struct rig *r = rig_new(1, &config);
    rig_ok(r, 0, 0x2002, "%s", "");
    ck_assert_uint_eq(r->ret_len, 3);
    ck_assert_uint_eq(r->ret[0] | r->ret[1] | r->ret[2], 0);
    rig_ok(r, 0, 0x1005, "%s", "");
    ck_assert_uint_eq(rig_u16(r->ret), 251);
    ck_assert_uint_eq(rig_u16(r->ret + 3), 6);
    rig_free(r);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        data_crosses_and_is_counted_completed,
        packets_longer_than_the_links_arrive_in_fragments,
        paced_data_waits_for_connection_events,
        paced_data_is_no_faster_than_the_phy,
        unpaced_data_crosses_at_once,
        more_packets_than_buffers_are_a_violation_and_are_dropped,
        a_buffer_is_in_use_until_the_host_was_told_otherwise,
        malformed_packets_are_violations,
        data_that_crosses_a_disconnection_is_no_violation,
        buffers_of_a_connection_that_ends_are_free_again,
        data_sent_before_a_disconnection_arrives_before_it,
        loss_slows_data_down_and_loses_none,
        delay_holds_data_back_in_order,
        a_host_that_does_not_read_holds_its_peer_back,
        host_flow_control_limits_what_the_host_gets,
        shared_buffers_are_told_by_the_other_command,
    };

    return rig_main("air/acl", tests, sizeof(tests) / sizeof(tests[0]));
}
