/* SPDX-License-Identifier: MIT */
/*
 * The kernel's HCI user channel: a raw socket that has a controller for itself. The kernel's own
 * stack lets go of the controller as long as it is open and powers it down when it is closed.
 *
 * A packet is a datagram with the H4 type in front. recvmmsg(2) takes what waits in one call; a
 * packet that does not fit its buffer is a controller out of its mind, since LE packets are short:
 * an event has at most 257 octets, and ACL fragments are no longer than the controller's buffers.
 *
 * A controller that goes away is told exactly once, by EPIPE from the next call that reads or
 * writes; recvmmsg() keeps an error that comes after packets for the next call.
 */
#include "base/cleanup.h"
#include "transport.h"

#include <bluetooth/bluetooth.h>
#include <bluetooth/hci.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    USER_BATCH = 8,     /* packets a call */
    USER_PACKET = 2048, /* octets of each; memory that no packet reaches stays untouched */
    USER_WAITING = 8 << 20,
};

struct hci_user_batch {
    unsigned count, at;
    size_t len[USER_BATCH];
    uint8_t packet[USER_BATCH][USER_PACKET];
};

static int hci_user_open(struct transport *t)
{
    if (!t->batch)
        t->batch = malloc(sizeof(*t->batch));
    if (!t->batch)
        return -ENOMEM;
    t->batch->count = t->batch->at = 0;
    t->fd = socket(AF_BLUETOOTH, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, BTPROTO_HCI);
    if (t->fd < 0)
        return -errno;
    /* What the kernel holds for us when we are slower than the air: a packet that does not fit is
     * lost without a word, and 200 kB, the usual, is no more than 200 notifications. */
    int room = USER_WAITING;
    if (setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
        (void)setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
    struct sockaddr_hci address = {
        .hci_family = AF_BLUETOOTH,
        .hci_dev = t->spec->index,
        .hci_channel = HCI_CHANNEL_USER,
    };
    if (bind(t->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    return 0;
}

static int hci_user_fill(struct transport *t)
{
    struct hci_user_batch *b = t->batch;
    struct mmsghdr messages[USER_BATCH];
    struct iovec parts[USER_BATCH];
    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < USER_BATCH; i++) {
        parts[i] = (struct iovec){b->packet[i], USER_PACKET};
        messages[i].msg_hdr.msg_iov = &parts[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(t->fd, messages, USER_BATCH, MSG_DONTWAIT, NULL);
    b->count = b->at = 0;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    for (int i = 0; i < n; i++) {
        if (messages[i].msg_hdr.msg_flags & MSG_TRUNC)
            return -EBADMSG;
        b->len[i] = messages[i].msg_len;
    }
    b->count = (unsigned)n;
    return 0;
}

static ssize_t hci_user_next(struct transport *t, const uint8_t **ret)
{
    struct hci_user_batch *b = t->batch;
    while (b->at < b->count && b->len[b->at] == 0)
        b->at++;
    if (b->at == b->count)
        return 0;
    *ret = b->packet[b->at];
    return (ssize_t)b->len[b->at++];
}

static void hci_user_unread(struct transport *t)
{
    t->batch->at--;
}

/* One system call a packet: sendmmsg() marks all but the last with MSG_BATCH, which the kernel's
 * HCI sockets refuse with EINVAL. */
static int hci_user_send(struct transport *t, const uint8_t *bytes, size_t n, size_t *ret_sent)
{
    while (*ret_sent < n) {
        const uint8_t *packet = bytes + *ret_sent;
        ssize_t len = h4_length(packet, n - *ret_sent, H4_FROM_HOST);
        if (len <= 0 || (size_t)len > n - *ret_sent)
            return -EBADMSG;
        if (send(t->fd, packet, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
        *ret_sent += (size_t)len;
    }
    return 0;
}

static void hci_user_explain(const struct transport *t, int error, char *out, size_t n)
{
    const char *name = t->spec->name;
    switch (-error) {
    case EBUSY:
        snprintf(out, n,
                 "the controller is up or used by another program, such as bluetoothd: run "
                 "`systemctl stop bluetooth` and `hciconfig %s down`",
                 name);
        break;
    case EPERM:
    case EACCES:
        snprintf(out, n,
                 "the controller may not be taken: bled needs the capability CAP_NET_ADMIN; start "
                 "it by its systemd unit, or as root");
        break;
    case ENODEV:
        snprintf(out, n, "there is no controller %s: plug it in", name);
        break;
    case EAFNOSUPPORT:
        snprintf(out, n,
                 "the kernel has no Bluetooth, so no %s: load the module (`modprobe bluetooth`), "
                 "or use an adapter unix:, tcp: or tty:",
                 name);
        break;
    case EPIPE:
    case ENETDOWN:
        snprintf(out, n, "the controller was unplugged, or its driver gave up");
        break;
    case EBADMSG:
        snprintf(out, n, "the controller sends packets longer than any of Bluetooth LE");
        break;
    case ERFKILL:
        snprintf(out, n, "the controller is switched off: run `rfkill unblock bluetooth`");
        break;
    case EOPNOTSUPP:
        snprintf(out, n, "the kernel has no user channel: Linux 3.13 or later is needed");
        break;
    default:
        snprintf(out, n, "%s", strerror(-error));
    }
}

const struct transport_kind hci_user_kind = {
    .open = hci_user_open,
    .fill = hci_user_fill,
    .next = hci_user_next,
    .unread = hci_user_unread,
    .send = hci_user_send,
    .explain = hci_user_explain,
};
