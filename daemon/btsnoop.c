/* SPDX-License-Identifier: MIT */
/*
 * The description behind fd may be shared with the client that gave it, so its flags are left
 * alone: a socket is written with MSG_DONTWAIT, and a pipe or terminal only when poll says that it
 * takes PIPE_BUF octets without waiting. A full disk is told once; the records that did not fit the
 * buffer meanwhile are counted, and when there is room again the capture goes on behind a record
 * that was cut, from its next octet.
 */
#include "btsnoop.h"
#include "base/cleanup.h"
#include "base/wr.h"
#include "h4.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DATALINK_H4 = 1002,
    RECORD_HEAD = 24,
    FLAG_RECEIVED = 1,
    FLAG_CONTROL = 2, /* command or event, not data */
};

/* The format counts microseconds from the year 0. */
#define EPOCH_1970 UINT64_C(0x00dcddb30f2f8000)

struct btsnoop {
    int fd;
    mode_t kind;
    bool keys;
    uint32_t snaplen, drops;
    const char *name;
    struct redact redact;
    size_t len, at;
    uint8_t buf[BTSNOOP_BUFFER];
};

static void put32(struct wr *w, uint32_t v)
{
    const uint8_t be[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    wr_bytes(w, be, sizeof(be));
}

int btsnoop_new(struct btsnoop **ret, int fd, const char *name, bool keys, uint32_t snaplen)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL), r = 0;
    if (flags < 0 || fstat(fd, &st) < 0)
        r = -errno;
    else if ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
        r = -EBADF;
    else if (S_ISDIR(st.st_mode))
        r = -EINVAL;
    struct btsnoop *b = r == 0 ? malloc(sizeof(*b)) : NULL;
    if (!b) {
        close(fd);
        return r < 0 ? r : -ENOMEM;
    }
    /* The buffer is left as it is: memory that is never used costs nothing. */
    memset(b, 0, offsetof(struct btsnoop, buf));
    b->fd = fd;
    b->kind = st.st_mode & S_IFMT;
    b->keys = keys;
    b->snaplen = snaplen > 0 ? snaplen : UINT32_MAX;
    b->name = name;
    struct wr w = wr_make(b->buf, sizeof(b->buf));
    wr_bytes(&w, "btsnoop", 8);
    put32(&w, 1);
    put32(&w, DATALINK_H4);
    b->len = w.len;
    *ret = b;
    return 0;
}

struct btsnoop *btsnoop_free(struct btsnoop *b)
{
    if (!b)
        return NULL;
    (void)btsnoop_flush(b);
    if (b->len > b->at || b->drops > 0)
        log_msg(LOG_WARN, b->name, "capture ends with %u packets dropped and %zu bytes unwritten",
                b->drops, b->len - b->at);
    close(b->fd);
    explicit_bzero(b->buf, b->len);
    free(b);
    return NULL;
}

static bool make_room(struct btsnoop *b, size_t n)
{
    if (n <= sizeof(b->buf) - b->len)
        return true;
    (void)btsnoop_flush(b);
    memmove(b->buf, b->buf + b->at, b->len - b->at);
    b->len -= b->at;
    b->at = 0;
    return n <= sizeof(b->buf) - b->len;
}

/* What is dropped must still be looked at: it may begin a frame whose rest is to be blanked. */
static void drop(struct btsnoop *b, bool received, const uint8_t *packet, size_t n)
{
    if (b->drops++ == 0)
        log_msg(LOG_WARN, b->name,
                "capture drops packets: its reader is too slow, or the disk is full");
    _cleanup_free_ uint8_t *copy = b->keys ? NULL : malloc(n);
    if (!copy)
        return;
    memcpy(copy, packet, n);
    redact_packet(&b->redact, received, copy, n);
    explicit_bzero(copy, n);
}

void btsnoop_packet(struct btsnoop *b, uint64_t now_us, bool received, const uint8_t *packet,
                    size_t n)
{
    size_t kept = n < b->snaplen ? n : b->snaplen;
    if (!make_room(b, RECORD_HEAD + n)) {
        drop(b, received, packet, n);
        return;
    }
    bool control = n > 0 && (packet[0] == H4_COMMAND || packet[0] == H4_EVENT);
    struct wr w = wr_make(b->buf + b->len, sizeof(b->buf) - b->len);
    put32(&w, (uint32_t)n);
    put32(&w, (uint32_t)kept);
    put32(&w, (received ? FLAG_RECEIVED : 0u) | (control ? FLAG_CONTROL : 0u));
    put32(&w, b->drops);
    put32(&w, (uint32_t)((now_us + EPOCH_1970) >> 32));
    put32(&w, (uint32_t)(now_us + EPOCH_1970));
    uint8_t *copy = wr_room(&w, n); /* whole, so that redaction sees what it looks for */
    if (!copy)
        return;
    memcpy(copy, packet, n);
    if (!b->keys)
        redact_packet(&b->redact, received, copy, n);
    b->len += RECORD_HEAD + kept;
}

/* How much went; 0: nothing goes now; -errno. */
static ssize_t write_some(const struct btsnoop *b, const uint8_t *p, size_t n)
{
    ssize_t done;
    if (S_ISSOCK(b->kind)) {
        done = send(b->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    } else if (S_ISREG(b->kind)) {
        done = write(b->fd, p, n);
    } else {
        struct pollfd ready = {.fd = b->fd, .events = POLLOUT};
        if (poll(&ready, 1, 0) <= 0)
            return 0;
        done = write(b->fd, p, n < PIPE_BUF ? n : PIPE_BUF);
    }
    if (done >= 0)
        return done;
    return errno == EAGAIN || errno == EINTR || errno == ENOSPC || errno == EDQUOT ? 0 : -errno;
}

int btsnoop_flush(struct btsnoop *b)
{
    while (b->at < b->len) {
        ssize_t done = write_some(b, b->buf + b->at, b->len - b->at);
        if (done < 0)
            return (int)done;
        if (done == 0)
            return 0;
        b->at += (size_t)done;
    }
    b->at = b->len = 0;
    return 0;
}

bool btsnoop_waiting(const struct btsnoop *b)
{
    return b->at < b->len;
}
