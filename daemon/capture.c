/* SPDX-License-Identifier: MIT */
/* The timer runs only while something waits to be written: an idle capture wakes nobody. */
#include "capture.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FLUSH_S 0.1

static void on_timer(EV_P_ ev_timer *w, int revents)
{
    struct capture *c = w->data;
    (void)loop;
    (void)revents;
    int r = btsnoop_flush(c->file);
    if (r < 0) {
        log_msg(LOG_WARN, c->name, "capture ended: its file cannot be written: %s", strerror(-r));
        capture_stop(c);
    } else if (btsnoop_waiting(c->file)) {
        ev_timer_set(&c->timer, FLUSH_S, 0.);
        ev_timer_start(c->ev, &c->timer);
    }
}

void capture_init(struct capture *c, struct ev_loop *ev, const char *name)
{
    *c = (struct capture){.ev = ev, .name = name};
    ev_timer_init(&c->timer, on_timer, FLUSH_S, 0.);
    c->timer.data = c;
}

int capture_start(struct capture *c, int fd, bool keys, uint32_t snaplen)
{
    if (c->file) {
        close(fd);
        return -EBUSY;
    }
    int r = btsnoop_new(&c->file, fd, c->name, keys, snaplen);
    if (r == 0)
        r = btsnoop_flush(c->file);
    if (r < 0)
        c->file = btsnoop_free(c->file);
    return r;
}

int capture_start_file(struct capture *c, const char *path)
{
    /* Without O_NONBLOCK a pipe that nobody reads would hold up the start. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    return fd < 0 ? -errno : capture_start(c, fd, false, 0);
}

void capture_stop(struct capture *c)
{
    ev_timer_stop(c->ev, &c->timer);
    c->file = btsnoop_free(c->file);
}

void capture_write(struct capture *c, bool received, const uint8_t *packet, size_t n)
{
    if (!c->file)
        return;
    btsnoop_packet(c->file, clock_us(CLOCK_REALTIME), received, packet, n);
    if (!ev_is_active(&c->timer)) {
        ev_timer_set(&c->timer, FLUSH_S, 0.);
        ev_timer_start(c->ev, &c->timer);
    }
}
