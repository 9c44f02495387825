/* SPDX-License-Identifier: MIT */
/*
 * As in bled's own loop, input is handed over as it comes, and before the loop waits again the
 * radio is asked for what it has for every host: what one host sends makes packets for others.
 *
 * A host that does not read gets its packets late, never stops the others: from TX_MAX octets on
 * its packets stay in the radio.
 */
#include "air_serve.h"
#include "base/timerq.h"
#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TX_MAX = 65536 };

static uint64_t now_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static void tell_violations(struct air_serve *s)
{
    const char *text;
    unsigned count = bl_air_violations(s->air);
    if (count == 0)
        return;
    for (unsigned k = 0; k < count && (text = bl_air_violation(s->air, k)); k++)
        fprintf(stderr, "bled-air: violation: %s\n", text);
    s->violations += count;
    bl_air_violations_clear(s->air);
}

static bool has_host(const struct air_controller *c)
{
    return c->host.fd >= 0;
}

static void want(struct air_controller *c, int events)
{
    if (ev_is_active(&c->host) && (c->host.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(c->serve->ev, &c->host);
    ev_io_set(&c->host, c->host.fd, events);
    ev_io_start(c->serve->ev, &c->host);
}

static void hang_up(struct air_controller *c)
{
    if (!has_host(c))
        return;
    ev_io_stop(c->serve->ev, &c->host);
    close(c->host.fd);
    ev_io_set(&c->host, -1, 0);
    h4_reset(&c->rx);
    c->tx_len = c->tx_at = 0;
    if (bl_air_powered(c->serve->air, c->index))
        bl_air_power_off(c->serve->air, now_us(), c->index);
}

/* One read. False: there was nothing, or the host is gone. */
static bool read_host(struct air_controller *c)
{
    size_t room;
    uint8_t *at = h4_room(&c->rx, &room);
    ssize_t n = at ? read(c->host.fd, at, room) : 0;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        hang_up(c);
        return false;
    }
    const uint8_t *packet;
    h4_fed(&c->rx, (size_t)n);
    uint64_t now = now_us();
    while ((n = h4_next(&c->rx, &packet)) > 0)
        bl_air_receive(c->serve->air, now, c->index, packet, (size_t)n);
    if (n < 0) {
        fprintf(stderr, "bled-air: violation: hci%d: what came is not HCI in H4 framing\n",
                c->index);
        c->serve->violations++;
        hang_up(c);
        return false;
    }
    return true;
}

static bool append(struct air_controller *c, const uint8_t *packet, size_t n)
{
    if (c->tx_at == c->tx_len)
        c->tx_at = c->tx_len = 0;
    if (n > c->tx_cap - c->tx_len) {
        uint8_t *tx = realloc(c->tx, 2 * (c->tx_len + n));
        if (!tx)
            return false;
        c->tx = tx;
        c->tx_cap = 2 * (c->tx_len + n);
    }
    memcpy(c->tx + c->tx_len, packet, n);
    c->tx_len += n;
    return true;
}

/* Octets that went, or -1 when the host is gone. */
static ssize_t write_host(struct air_controller *c)
{
    ssize_t n = write(c->host.fd, c->tx + c->tx_at, c->tx_len - c->tx_at);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    c->tx_at += (size_t)n;
    return n;
}

static void pump(struct air_controller *c)
{
    const uint8_t *packet;
    while (has_host(c)) {
        size_t n = 0;
        while (c->tx_len - c->tx_at < TX_MAX &&
               (n = bl_air_next_tx(c->serve->air, c->index, &packet)) > 0)
            if (!append(c, packet, n)) {
                hang_up(c);
                return;
            }
        if (c->tx_at == c->tx_len) {
            want(c, EV_READ);
            break;
        }
        ssize_t done = write_host(c);
        if (done == 0)
            want(c, EV_READ | EV_WRITE);
        if (done < 0)
            hang_up(c);
        if (done <= 0)
            break;
    }
    if (has_host(c) && !bl_air_powered(c->serve->air, c->index))
        hang_up(c); /* it vanished */
}

static void on_prepare(EV_P_ ev_prepare *w, int revents)
{
    struct air_serve *s = w->data;
    (void)loop;
    (void)revents;
    for (int i = 0; i < s->n; i++)
        pump(&s->controllers[i]);
    tell_violations(s);
    uint64_t at = bl_air_deadline(s->air);
    ev_timer_stop(s->ev, &s->timer);
    if (at == TIMERQ_NEVER)
        return;
    ev_now_update(s->ev);
    uint64_t now = now_us();
    ev_timer_set(&s->timer, at > now ? (double)(at - now) / 1e6 : 0., 0.);
    ev_timer_start(s->ev, &s->timer);
}

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct air_serve *s = w->data;
    (void)loop;
    (void)revents;
    bl_air_tick(s->air, now_us());
}

static void on_host(EV_P_ ev_io *w, int revents)
{
    struct air_controller *c = w->data;
    (void)loop;
    if (revents & EV_READ)
        (void)read_host(c);
}

static void on_listener(EV_P_ ev_io *w, int revents)
{
    struct air_controller *c = w->data;
    (void)loop;
    (void)revents;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    /* A host that hung up just before may not have been noticed yet. */
    while (has_host(c) && read_host(c))
        ;
    if (has_host(c)) {
        close(fd);
        return;
    }
    ev_io_set(&c->host, fd, 0);
    bl_air_power_on(c->serve->air, now_us(), c->index);
    want(c, EV_READ);
}

/* A socket's name that nobody serves any more is in the way; one that somebody serves is theirs. */
static int clear_name(const struct sockaddr_un *address)
{
    struct stat st;
    if (lstat(address->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? errno : 0;
    close(fd);
    if (r != ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

static int listen_at(struct air_controller *c)
{
    int r = clear_name(&c->address);
    if (r < 0)
        return r;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    ev_io_set(&c->listener, fd, EV_READ);
    if (bind(fd, (const struct sockaddr *)&c->address, sizeof(c->address)) < 0)
        return -errno;
    c->bound = true;
    if (listen(fd, 8) < 0)
        return -errno;
    ev_io_start(c->serve->ev, &c->listener);
    return 0;
}

static int open_controller(struct air_serve *s, const char *dir, int i,
                           const struct bl_air_config *config)
{
    struct air_controller *c = &s->controllers[i];
    struct bl_air_config own = *config;
    own.public =
        (struct bl_addr){.type = ADDR_PUBLIC, .b = {(uint8_t)i, 0x53, 0x00, 0x5e, 0x00, 0x00}};
    *c = (struct air_controller){.serve = s, .address.sun_family = AF_UNIX};
    c->rx.types = H4_FROM_HOST;
    ev_init(&c->listener, on_listener);
    ev_init(&c->host, on_host);
    ev_io_set(&c->listener, -1, 0);
    ev_io_set(&c->host, -1, 0);
    c->listener.data = c->host.data = c;
    s->n++;
    int n = snprintf(c->address.sun_path, sizeof(c->address.sun_path), "%s/hci%d", dir, i);
    int r = n < (int)sizeof(c->address.sun_path) ? bl_air_add(s->air, &own) : -ENAMETOOLONG;
    if (r >= 0) {
        c->index = r;
        r = listen_at(c);
    }
    return r;
}

int air_serve_open(struct air_serve *s, struct ev_loop *ev, struct bl_air *air, const char *dir,
                   int n, const struct bl_air_config *config)
{
    *s = (struct air_serve){.ev = ev, .air = air};
    s->controllers = calloc((size_t)n, sizeof(*s->controllers));
    int r = s->controllers ? 0 : -ENOMEM;
    if (r == 0 && mkdir(dir, 0755) < 0 && errno != EEXIST)
        r = -errno;
    if (r < 0)
        fprintf(stderr, "bled-air: %s: %s\n", dir, strerror(-r));
    ev_prepare_init(&s->prepare, on_prepare);
    ev_init(&s->timer, on_timer);
    s->prepare.data = s->timer.data = s;
    ev_prepare_start(ev, &s->prepare);
    for (int i = 0; i < n && r >= 0; i++) {
        r = open_controller(s, dir, i, config);
        if (r == -EADDRINUSE)
            fprintf(stderr, "bled-air: %s/hci%d is served by another program\n", dir, i);
        else if (r < 0)
            fprintf(stderr, "bled-air: %s/hci%d: %s\n", dir, i, strerror(-r));
    }
    return r < 0 ? r : 0;
}

void air_serve_close(struct air_serve *s)
{
    for (int i = 0; i < s->n; i++) {
        struct air_controller *c = &s->controllers[i];
        hang_up(c);
        ev_io_stop(s->ev, &c->listener);
        if (c->listener.fd >= 0)
            close(c->listener.fd);
        if (c->bound)
            unlink(c->address.sun_path);
        h4_free(&c->rx);
        free(c->tx);
    }
    tell_violations(s);
    ev_prepare_stop(s->ev, &s->prepare);
    ev_timer_stop(s->ev, &s->timer);
    free(s->controllers);
    s->controllers = NULL;
    s->n = 0;
}

void air_serve_unplug(struct air_serve *s, int index)
{
    hang_up(&s->controllers[index]);
}
