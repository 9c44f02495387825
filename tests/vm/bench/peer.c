/* SPDX-License-Identifier: MIT */
/*
 * peer: the other end of a link, as little of one as there can be, so that what is measured is not
 * it: HCI on a kernel's controller by the user channel, ATT by hand.
 *
 *     peer INDEX
 *
 * Says "ok ADDRESS" when it is ready. Then it takes lines on standard input, one at a time, and
 * answers each with a line, "ok NUMBER":
 *
 *     serve                            advertises, and serves 10 services of 5 characteristics
 *     connect ADDRESS                  connects to a public address, without an exchange of the MTU
 *     mtu N                            exchanges the MTU: what is in force
 *     read HANDLE COUNT                that many Read Requests, each after the other's answer
 *     write HANDLE LEN COUNT           Write Requests likewise
 *     command HANDLE LEN COUNT         Write Commands, as fast as the controller takes them
 *     notify HANDLE LEN COUNT          notifications likewise
 *     heard COUNT                      answers when so many notifications, indications and Write
 *                                      Commands have come since the last `heard`
 *     drop                             disconnects
 *
 * Values carry their number in the first two octets; one that is not the next after its forerunner
 * ends the program, so that a lost one cannot go unseen.
 */

#include <bluetooth/bluetooth.h>
#include <bluetooth/hci.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    COMMAND = 1,
    ACL = 2,
    EVENT = 4,
    LOCAL_MTU = 517,
    SERVICES = 10,
    CHARACTERISTICS = 5,
    ATTRS = SERVICES * (1 + 2 * CHARACTERISTICS + 1), /* and a CCCD each */
    MOST = 1024,
};

struct attr {
    uint16_t type;
    uint8_t value[20];
    uint8_t len;
    uint16_t end; /* of a service */
};

struct peer {
    int hci;
    bdaddr_t address;
    uint16_t handle; /* of the link, 0xffff: none */
    uint16_t mtu;
    unsigned credits, acl_len;
    struct attr attrs[ATTRS + 1]; /* by handle */
    uint8_t pdu[MOST];            /* being put together */
    size_t have, want;
    uint16_t command; /* that waits for its end */
    uint8_t command_status;
    bool answered; /* our request */
    unsigned heard, heard_in_all;
    bool quit;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "peer: %s: %s\n", what, errno ? strerror(errno) : "not as expected");
    exit(1);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put(const struct peer *p, const uint8_t *packet, size_t n)
{
    while (write(p->hci, packet, n) < 0)
        if (errno != EINTR && errno != EAGAIN)
            die("write to the controller");
}

static void turn(struct peer *p); /* takes in one packet */

static void command(struct peer *p, uint16_t opcode, const void *params, uint8_t n)
{
    uint8_t packet[4 + 255] = {COMMAND};
    put16(packet + 1, opcode);
    packet[3] = n;
    if (n > 0)
        memcpy(packet + 4, params, n);
    p->command = opcode;
    put(p, packet, 4u + n);
    while (p->command)
        turn(p);
    if (p->command_status) {
        fprintf(stderr, "peer: command %04x: status %02x\n", opcode, p->command_status);
        exit(1);
    }
}

static void send_att(struct peer *p, const uint8_t *pdu, size_t n)
{
    uint8_t whole[4 + MOST], packet[5 + MOST];
    put16(whole, (uint16_t)n);
    put16(whole + 2, 4);
    memcpy(whole + 4, pdu, n);
    n += 4;
    for (size_t at = 0; at < n;) {
        size_t part = n - at < p->acl_len ? n - at : p->acl_len;
        while (p->credits == 0)
            turn(p);
        p->credits--;
        packet[0] = ACL;
        put16(packet + 1, (uint16_t)(p->handle | (at ? 0x1000 : 0)));
        put16(packet + 3, (uint16_t)part);
        memcpy(packet + 5, whole + at, part);
        put(p, packet, 5 + part);
        at += part;
    }
}

/* --- the server --- */

static void make_attrs(struct peer *p)
{
    uint16_t h = 1;
    for (unsigned s = 0; s < SERVICES; s++) {
        struct attr *service = &p->attrs[h];
        *service = (struct attr){.type = 0x2800, .len = 2};
        put16(service->value, (uint16_t)(0xa000 + s));
        service->end = (uint16_t)(h + 2 * CHARACTERISTICS + 1);
        h++;
        for (unsigned c = 0; c < CHARACTERISTICS; c++) {
            struct attr *declaration = &p->attrs[h];
            *declaration = (struct attr){.type = 0x2803, .len = 5};
            declaration->value[0] = 0x1e; /* read, both writes, notify */
            put16(declaration->value + 1, (uint16_t)(h + 1));
            put16(declaration->value + 3, (uint16_t)(0xb000 + 16 * s + c));
            p->attrs[h + 1] = (struct attr){.type = get16(declaration->value + 3), .len = 20};
            h = (uint16_t)(h + 2);
        }
        p->attrs[h++] = (struct attr){.type = 0x2902, .len = 2};
    }
}

static void refuse(struct peer *p, const uint8_t *pdu, uint16_t handle, uint8_t error)
{
    uint8_t out[5] = {0x01, pdu[0]};
    put16(out + 2, handle);
    out[4] = error;
    send_att(p, out, sizeof(out));
}

/* Read By Group Type, Read By Type. */
static void by_type(struct peer *p, const uint8_t *pdu)
{
    uint16_t start = get16(pdu + 1), end = get16(pdu + 3), type = get16(pdu + 5);
    bool group = pdu[0] == 0x10;
    uint8_t out[MOST] = {(uint8_t)(pdu[0] + 1)};
    size_t at = 2;
    for (uint16_t h = start; h <= end && h <= ATTRS; h++) {
        const struct attr *a = &p->attrs[h];
        size_t len = (group ? 4u : 2u) + a->len;
        if (a->type != type)
            continue;
        if ((at > 2 && out[1] != len) || at + len > p->mtu)
            break;
        out[1] = (uint8_t)len;
        put16(out + at, h);
        if (group)
            put16(out + at + 2, a->end);
        memcpy(out + at + len - a->len, a->value, a->len);
        at += len;
    }
    if (at == 2)
        refuse(p, pdu, start, 0x0a);
    else
        send_att(p, out, at);
}

static void find_info(struct peer *p, const uint8_t *pdu)
{
    uint8_t out[MOST] = {0x05, 1};
    size_t at = 2;
    for (uint16_t h = get16(pdu + 1); h <= get16(pdu + 3) && h <= ATTRS && at + 4 <= p->mtu; h++) {
        put16(out + at, h);
        put16(out + at + 2, p->attrs[h].type);
        at += 4;
    }
    if (at == 2)
        refuse(p, pdu, get16(pdu + 1), 0x0a);
    else
        send_att(p, out, at);
}

static void read_value(struct peer *p, const uint8_t *pdu)
{
    uint16_t handle = get16(pdu + 1);
    uint8_t out[MOST] = {0x0b};
    if (handle == 0 || handle > ATTRS) {
        refuse(p, pdu, handle, 0x01);
        return;
    }
    memcpy(out + 1, p->attrs[handle].value, p->attrs[handle].len);
    send_att(p, out, 1u + p->attrs[handle].len);
}

/* --- what comes in --- */

static void count(struct peer *p, const uint8_t *value, size_t n)
{
    if (n >= 2 && get16(value) != (uint16_t)p->heard_in_all) {
        fprintf(stderr, "peer: number %u came where %u was due\n", get16(value), p->heard_in_all);
        exit(1);
    }
    p->heard++;
    p->heard_in_all++;
}

static void take_pdu(struct peer *p, const uint8_t *pdu, size_t n)
{
    uint8_t out[8];
    switch (pdu[0]) {
    case 0x02:
        out[0] = 0x03;
        put16(out + 1, LOCAL_MTU);
        send_att(p, out, 3);
        p->mtu = get16(pdu + 1) < LOCAL_MTU ? get16(pdu + 1) : LOCAL_MTU;
        break;
    case 0x03:
        p->mtu = get16(pdu + 1) < LOCAL_MTU ? get16(pdu + 1) : LOCAL_MTU;
        p->answered = true;
        break;
    case 0x04:
        find_info(p, pdu);
        break;
    case 0x08:
    case 0x10:
        by_type(p, pdu);
        break;
    case 0x0a:
        read_value(p, pdu);
        break;
    case 0x12:
        out[0] = 0x13;
        send_att(p, out, 1);
        break;
    case 0x1d:
        out[0] = 0x1e;
        send_att(p, out, 1);
        count(p, pdu + 3, n - 3);
        break;
    case 0x1b:
    case 0x52:
        count(p, pdu + 3, n - 3);
        break;
    case 0x0b:
    case 0x13:
        p->answered = true;
        break;
    case 0x01:
        fprintf(stderr, "peer: request %02x refused: %02x\n", pdu[1], pdu[4]);
        exit(1);
    default:
        if (!(pdu[0] & 1)) /* any other request */
            refuse(p, pdu, 0, 0x06);
    }
}

static void take_acl(struct peer *p, const uint8_t *data, size_t n)
{
    bool first = (data[1] >> 4 & 3) != 1;
    size_t len = n - 4;
    data += 4;
    if (first) {
        p->have = 0;
        p->want = 4u + get16(data);
    }
    if (p->have + len > sizeof(p->pdu))
        die("a PDU that is too long");
    memcpy(p->pdu + p->have, data, len);
    p->have += len;
    if (p->have < p->want)
        return;
    if (get16(p->pdu + 2) == 4)
        take_pdu(p, p->pdu + 4, p->want - 4);
    p->have = p->want = 0;
}

static void take_event(struct peer *p, const uint8_t *ev)
{
    switch (ev[0]) {
    case 0x05:
        p->handle = 0xffff;
        p->mtu = 23;
        break;
    case 0x0e:
        if (get16(ev + 3) != p->command)
            break;
        p->command = 0;
        p->command_status = ev[5];
        if (get16(ev + 3) == 0x1009)
            memcpy(&p->address, ev + 6, 6);
        if (get16(ev + 3) == 0x2002) {
            p->acl_len = get16(ev + 6);
            p->credits = ev[8];
        }
        break;
    case 0x0f:
        if (get16(ev + 4) == p->command) {
            p->command = 0;
            p->command_status = ev[2];
        }
        break;
    case 0x13:
        for (unsigned i = 0; i < ev[2]; i++)
            p->credits += get16(ev + 3 + 4 * i + 2);
        break;
    case 0x3e:
        if (ev[2] == 0x01 && ev[3] == 0)
            p->handle = get16(ev + 4);
        break;
    default:
        break;
    }
}

static void turn(struct peer *p)
{
    uint8_t packet[2048];
    ssize_t n = read(p->hci, packet, sizeof(packet));
    if (n < 0 && errno == EINTR)
        return;
    if (n <= 0)
        die("read from the controller");
    if (packet[0] == EVENT && n >= 3)
        take_event(p, packet + 1);
    else if (packet[0] == ACL && n >= 5 && p->handle != 0xffff)
        take_acl(p, packet + 1, (size_t)n - 1);
}

/* --- the commands --- */

static void advertise(struct peer *p)
{
    static const uint8_t params[15] = {0xa0, 0, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0};
    command(p, 0x2006, params, sizeof(params));
    command(p, 0x200a, (const uint8_t[]){1}, 1);
}

/* btvirt's Create Connection fails where the other does not advertise at this instant. */
static void connect_to(struct peer *p, const char *text)
{
    uint8_t params[25] = {0x60, 0, 0x60, 0, 0, 0};
    bdaddr_t address;
    str2ba(text, &address);
    memcpy(params + 6, &address, 6);
    put16(params + 13, 24);
    put16(params + 15, 40);
    put16(params + 19, 500);
    command(p, 0x200d, params, sizeof(params));
    while (p->handle == 0xffff)
        turn(p);
}

static void request(struct peer *p, const uint8_t *pdu, size_t n)
{
    p->answered = false;
    send_att(p, pdu, n);
    while (!p->answered)
        turn(p);
}

static void many(struct peer *p, uint8_t opcode, unsigned handle, unsigned len, unsigned times)
{
    uint8_t pdu[MOST] = {opcode};
    if (len + 3 > p->mtu)
        die("a value longer than the MTU takes");
    put16(pdu + 1, (uint16_t)handle);
    for (unsigned i = 0; i < times; i++) {
        put16(pdu + 3, (uint16_t)i);
        if (opcode == 0x0a || opcode == 0x12)
            request(p, pdu, 3 + len);
        else
            send_att(p, pdu, 3 + len);
    }
}

static unsigned obey(struct peer *p, const char *line)
{
    unsigned a, b, c;
    char text[32];
    if (strcmp(line, "serve") == 0) {
        advertise(p);
    } else if (sscanf(line, "connect %31s", text) == 1) {
        connect_to(p, text);
    } else if (sscanf(line, "mtu %u", &a) == 1) {
        uint8_t pdu[3] = {0x02};
        put16(pdu + 1, (uint16_t)a);
        request(p, pdu, sizeof(pdu));
        return p->mtu;
    } else if (sscanf(line, "read %u %u", &a, &b) == 2) {
        many(p, 0x0a, a, 0, b);
    } else if (sscanf(line, "write %u %u %u", &a, &b, &c) == 3) {
        many(p, 0x12, a, b, c);
    } else if (sscanf(line, "command %u %u %u", &a, &b, &c) == 3) {
        many(p, 0x52, a, b, c);
    } else if (sscanf(line, "notify %u %u %u", &a, &b, &c) == 3) {
        many(p, 0x1b, a, b, c);
    } else if (sscanf(line, "heard %u", &a) == 1) {
        while (p->heard < a)
            turn(p);
        p->heard = p->heard_in_all = 0;
        return a;
    } else if (strcmp(line, "drop") == 0) {
        uint8_t params[3];
        put16(params, p->handle);
        params[2] = 0x13;
        command(p, 0x0406, params, sizeof(params));
        while (p->handle != 0xffff)
            turn(p);
    } else {
        fprintf(stderr, "peer: %s?\n", line);
        exit(2);
    }
    return 0;
}

static void open_hci(struct peer *p, const char *index)
{
    struct sockaddr_hci to = {.hci_family = AF_BLUETOOTH,
                              .hci_dev = (uint16_t)atoi(index),
                              .hci_channel = HCI_CHANNEL_USER};
    static const uint8_t all[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f};
    static const uint8_t le[8] = {0x1f};
    p->hci = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC, BTPROTO_HCI);
    if (p->hci < 0 || bind(p->hci, (const struct sockaddr *)&to, sizeof(to)) < 0)
        die("user channel");
    command(p, 0x0c03, NULL, 0);
    command(p, 0x0c01, all, sizeof(all));
    command(p, 0x2001, le, sizeof(le));
    command(p, 0x2002, NULL, 0);
    command(p, 0x1009, NULL, 0);
}

int main(int argc, char **argv)
{
    static struct peer p = {.handle = 0xffff, .mtu = 23};
    char line[256];
    size_t have = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: peer INDEX\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    make_attrs(&p);
    open_hci(&p, argv[1]);
    ba2str(&p.address, line);
    printf("ok %s\n", line);
    for (;;) {
        struct pollfd fds[] = {{.fd = p.hci, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            die("poll");
        if (fds[0].revents)
            turn(&p);
        if (!fds[1].revents)
            continue;
        ssize_t n = read(0, line + have, sizeof(line) - 1 - have);
        if (n <= 0)
            return 0;
        have += (size_t)n;
        line[have] = '\0';
        char *end = strchr(line, '\n');
        if (!end)
            continue;
        *end = '\0';
        have = 0; /* one line at a time */
        printf("ok %u\n", obey(&p, line));
    }
}
