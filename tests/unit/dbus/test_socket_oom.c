/* SPDX-License-Identifier: MIT */

/* Sockets without memory, at every allocation in turn: each call is answered, nothing is left
 * behind, and afterwards all works. */

#include "../../support/oom.h"
#include "gattc.h"
#include "gatts.h"
#include "socket.h"
#include "watches.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONN = 1 };

static struct rig rig;
static uint16_t handle;

static void start(void)
{
    struct bus_attr *t;

    rig_start(&rig, false);
    watches_start(&rig);
    rig_ready(&rig);
    bus_adapter_event(rig.a,
                      &(struct bl_event){.kind = BL_EV_CONNECTED,
                                         .connected = {.conn = CONN, .role = BL_ROLE_PERIPHERAL}});
    rig_call(&rig, ":1.1", GATTS_INTERFACE, "AddService", "saa{sv}a{sv}", "180d", 1, 2, "uuid", "s",
             "2a37", "flags", "u", BL_GATT_WRITE | BL_GATT_NOTIFY, 0);
    t = bus_gatts_next_characteristic(rig.a, 0);
    must(t != NULL);
    handle = t ? t->handle : 0;
    rig_forget(&rig);
}

static void drop_fd(void)
{
    if (rig.fd >= 0)
        close(rig.fd);
    rig.fd = -1;
}

static unsigned acquire(const char *interface, const char *member)
{
    unsigned call = rig_call(&rig, ":1.1", interface, member, "qqa{sv}", CONN, handle, 0);

    if (*rig_answer(&rig, call) == '\0') /* it waits for the peer */
        rig_done(&rig, rig.host.last_op, BL_OK);
    return call;
}

static bool answered(unsigned call)
{
    return *rig_answer(&rig, call) != '\0';
}

/* A packet each way, if there is a socket. */
static void use(void)
{
    uint8_t data[64] = {0};

    if (rig.fd < 0)
        return;
    (void)!send(rig.fd, data, 1, MSG_NOSIGNAL);
    watches_run();
    bus_adapter_event(rig.a,
                      &(struct bl_event){
                          .kind = BL_EV_GATTS_WRITTEN,
                          .gatt = {.conn = CONN, .handle = handle, .value = {data, sizeof(data)}}});
    bus_adapter_event(rig.a,
                      &(struct bl_event){
                          .kind = BL_EV_GATTC_NOTIFIED,
                          .gatt = {.conn = CONN, .handle = handle, .value = {data, sizeof(data)}}});
    rig_done(&rig, rig.host.last_op, BL_OK);
}

static size_t open_sockets(void)
{
    size_t n = 0;
    const struct list *all = rig.a->module[BUS_MODULE_socket];

    list_each(l, next, all) n++;
    return n;
}

static int count_fds(void)
{
    int n = 0;

    for (int i = 0; i < 64; i++)
        n += fcntl(i, F_GETFD) >= 0;
    return n;
}

static const struct {
    const char *interface, *member;
} WAYS[] = {
    {GATTC_INTERFACE, "AcquireWrite"},
    {GATTC_INTERFACE, "AcquireNotify"},
    {GATTS_INTERFACE, "AcquireWrites"},
    {GATTS_INTERFACE, "AcquireNotify"},
};

START_TEST(each_is_acquired_or_refused)
{
    unsigned long n = 0, count;

    do {
        start();
        int before = count_fds();
        oom_fail_at(++n);
        unsigned call = acquire(WAYS[_i].interface, WAYS[_i].member);
        use();
        count = oom_count();
        oom_off();
        ck_assert_msg(answered(call), "allocation %lu", n);
        drop_fd();
        watches_run();
        for (int i = 0; i < 2; i++)
            rig_done(&rig, rig.host.last_op, BL_OK);
        ck_assert_msg(open_sockets() == 0, "allocation %lu", n);
        ck_assert_msg(watches_none(), "allocation %lu", n);
        ck_assert_msg(count_fds() == before, "allocation %lu", n);
        /* Whatever had failed: it works now. */
        rig_forget(&rig);
        call = acquire(WAYS[_i].interface, WAYS[_i].member);
        ck_assert_msg(strcmp(rig_answer(&rig, call), "reply") == 0, "allocation %lu", n);
        drop_fd();
        watches_run();
        rig_stop(&rig);
    } while (count >= n);
    ck_assert_uint_gt(n, 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("socket_oom");
    TCase *t = tcase_create("socket_oom");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_is_acquired_or_refused, 0, 4);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
