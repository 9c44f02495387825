/* SPDX-License-Identifier: MIT */

/* client_fixture: see the header. */

#include "client_fixture.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

struct bl_hci *hci;
struct bl_evq events;
struct bl_gatt gatt;
struct bl_gatt_conn conn;
uint64_t now;
bl_op op;

void setup(void)
{
    hci = fake_hci_new(false);
    if (bl_evq_init(&events) < 0)
        abort();
    now = 1000;
    op = 0;
    gatt = (struct bl_gatt){.hci = hci, .events = &events, .n_conns = 1};
    gatt.conns[0] = &conn;
    conn = (struct bl_gatt_conn){.gatt = &gatt, .conn = CONN};
    bl_att_open(&conn.bearer, hci, &events, HANDLE, 256);
    bl_gattc_open(&conn);
}

void teardown(void)
{
    bl_gattc_close(&conn, now, 0x113);
    bl_att_close(&conn.bearer, 0x113);
    bl_evq_deinit(&events);
    fake_hci_free(hci);
}

void set_mtu(uint16_t mtu)
{
    conn.bearer.mtu = mtu;
}

/* ---- PDUs ---- */

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t octets(const char *hex, uint8_t *out, size_t cap)
{
    size_t n = 0;

    while (*hex) {
        if (*hex == ' ') {
            hex++;
            continue;
        }
        if (digit(hex[0]) < 0 || digit(hex[1]) < 0)
            abort();
        unsigned long times = 1;
        uint8_t v = (uint8_t)(digit(hex[0]) << 4 | digit(hex[1]));
        hex += 2;
        if (*hex == '*') {
            char *end;
            times = strtoul(hex + 1, &end, 10);
            hex = end;
        }
        for (; times > 0; times--) {
            if (n == cap)
                abort();
            out[n++] = v;
        }
    }
    return n;
}

/* The next PDU without its L2CAP header. The stand-in's record is begun anew when all is taken. */
static bool take(uint8_t *out, size_t cap, size_t *ret_n)
{
    const struct fake_sent *sent = fake_hci_take_sent(hci);

    if (!sent) {
        hci->n_sent = hci->sent_taken = 0;
        return false;
    }
    if (sent->n < 4 || sent->n - 4 > cap || sent->handle != HANDLE || sent->data[2] != 4)
        abort();
    *ret_n = sent->n - 4;
    memcpy(out, sent->data + 4, *ret_n);
    return true;
}

void asks(const char *hex)
{
    uint8_t expected[600], got[600];
    char text[1300] = "";
    size_t n = octets(hex, expected, sizeof(expected)), m = 0;

    ck_assert_msg(take(got, sizeof(got), &m), "nothing was sent, not %s", hex);
    for (size_t i = 0; i < m; i++)
        snprintf(text + 2 * i, 3, "%02x", got[i]);
    ck_assert_msg(n == m && memcmp(expected, got, n) == 0, "sent %s, not %s", text, hex);
}

void asks_nothing(void)
{
    uint8_t got[600];
    size_t n = 0;

    ck_assert_msg(!take(got, sizeof(got), &n), "sent %02x (%zu octets)", got[0], n);
}

/* As gatt.c does for the client. */
void says_octets(const uint8_t *pdu, size_t n)
{
    struct bl_att_pdu in;
    enum bl_att_in kind = bl_att_receive(&conn.bearer, now, pdu, n, &in);

    if (kind >= BL_ATT_IN_RESPONSE)
        bl_gattc_pdu(&conn, now, kind, &in);
}

void says(const char *hex)
{
    uint8_t pdu[1100];
    size_t n = octets(hex, pdu, sizeof(pdu));

    says_octets(pdu, n);
}

/* ---- events ---- */

static void put_value(const struct bl_value *v, char *out, size_t cap)
{
    unsigned sum = 0;
    bool same = true;

    for (size_t i = 0; i < v->len; i++) {
        sum += v->data[i];
        same = same && v->data[i] == v->data[0];
    }
    if (v->len > 24 && same)
        snprintf(out, cap, "%zu octets of %02x", v->len, v->data[0]);
    else if (v->len > 24)
        snprintf(out, cap, "%zu octets, sum %u", v->len, sum);
    else
        for (size_t i = 0; i < v->len; i++)
            snprintf(out + 2 * i, cap - 2 * i, "%02x", v->data[i]);
}

/* Results are of the operation that ends next in these tests: e->gatt.op is checked in test_client.
 */
static void put_event(const struct bl_event *e, char *out, size_t cap)
{
    char uuid[UUID_TEXT_LEN], value[1100] = "";
    bool has_value = e->kind >= BL_EV_GATTC_VALUE && e->kind <= BL_EV_GATTC_INDICATED;

    if (e->kind >= BL_EV_GATTC_SERVICE && e->kind <= BL_EV_GATTC_SERVICES_CHANGED)
        ck_assert_uint_eq(e->gatt.conn, CONN);
    if (e->kind >= BL_EV_GATTC_SERVICE && e->kind <= BL_EV_GATTC_VALUE)
        ck_assert_uint_ne(e->gatt.op, 0);
    if (has_value)
        put_value(&e->gatt.value, value, sizeof(value));
    bl_uuid_format(&e->gatt.uuid, uuid);
    switch ((int)e->kind) {
    case BL_EV_GATTC_SERVICE:
        snprintf(out, cap, "service %x-%x %s", e->gatt.start, e->gatt.end, uuid);
        return;
    case BL_EV_GATTC_CHARACTERISTIC:
        snprintf(out, cap, "characteristic %x-%x %x %02x %s", e->gatt.handle, e->gatt.end,
                 e->gatt.value_handle, e->gatt.properties, uuid);
        return;
    case BL_EV_GATTC_DESCRIPTOR:
        snprintf(out, cap, "descriptor %x %s", e->gatt.handle, uuid);
        return;
    case BL_EV_GATTC_INCLUDE:
        snprintf(out, cap, "include %x %x-%x %s", e->gatt.handle, e->gatt.start, e->gatt.end, uuid);
        return;
    case BL_EV_GATTC_VALUE:
        snprintf(out, cap, "value %x %s", e->gatt.handle, value);
        return;
    case BL_EV_GATTC_NOTIFIED:
        snprintf(out, cap, "notified %x %s", e->gatt.handle, value);
        return;
    case BL_EV_GATTC_INDICATED:
        snprintf(out, cap, "indicated %x %s", e->gatt.handle, value);
        return;
    case BL_EV_GATTC_SERVICES_CHANGED:
        snprintf(out, cap, "changed %x-%x", e->gatt.start, e->gatt.end);
        return;
    case BL_EV_OP_DONE:
        if (e->done.op == op)
            snprintf(out, cap, "done %x", e->done.status);
        else
            snprintf(out, cap, "done#%u %x", e->done.op, e->done.status);
        return;
    default:
        snprintf(out, cap, "event %d", (int)e->kind);
    }
}

void told(const char *lines)
{
    static char all[65536];
    struct bl_event e;
    size_t len = 0;

    all[0] = '\0';
    while (bl_evq_pop(&events, &e)) {
        ck_assert_uint_lt(len, sizeof(all) - 1300);
        put_event(&e, all + len, 1200);
        len += strlen(all + len);
        all[len++] = '\n';
        all[len] = '\0';
    }
    ck_assert_msg(strcmp(all, lines) == 0, "told:\n%snot:\n%s", all, lines);
}

unsigned drain(bl_status *ret_status)
{
    struct bl_event e;
    unsigned n = 0;

    while (bl_evq_pop(&events, &e))
        if (e.kind == BL_EV_OP_DONE && e.done.op == op) {
            n++;
            *ret_status = e.done.status;
        }
    return n;
}

/* ---- scripts ---- */

void play_all(const struct play *play)
{
    set_mtu(play->mtu);
    ck_assert_msg(play->begin() == 0, "%s", play->name);
    for (const struct exchange *x = play->script; x->ask; x++) {
        asks(x->ask);
        says(x->answer);
    }
    asks_nothing();
    told(play->result);
}

size_t play_answer(const struct play *play, size_t n, uint8_t *out, size_t cap)
{
    return octets(play->script[n].answer, out, cap);
}

bool play_until(const struct play *play, size_t n)
{
    uint8_t got[600], ask[600], answer[600];
    size_t m;

    for (size_t i = 0; take(got, sizeof(got), &m); i++) {
        if (i == n)
            return true;
        if (play->script[i].ask && octets(play->script[i].ask, ask, sizeof(ask)) == m &&
            memcmp(ask, got, m) == 0)
            says_octets(answer, play_answer(play, i, answer, sizeof(answer)));
        else
            says_octets((uint8_t[]){1, got[0], 0, 0, 0x0e}, 5);
    }
    return false;
}

bool still_works(void)
{
    uint8_t got[600];
    struct bl_event e;
    bool value = false, done = false;
    size_t n;
    bl_op mine;

    if (bl_gattc_do_read(&conn, now, 0x99, 0, false, &mine) != 0 || !take(got, sizeof(got), &n) ||
        n != 3 || got[0] != 0x0a || got[1] != 0x99)
        return false;
    says("0b 42");
    while (bl_evq_pop(&events, &e)) {
        value = value || (e.kind == BL_EV_GATTC_VALUE && e.gatt.op == mine &&
                          e.gatt.value.len == 1 && e.gatt.value.data[0] == 0x42);
        done = done || (e.kind == BL_EV_OP_DONE && e.done.op == mine && e.done.status == BL_OK);
    }
    return value && done;
}
