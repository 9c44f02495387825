/* SPDX-License-Identifier: MIT */

/* pipe: packets to and from a client's socket. */

#include "pipe.h"

#include <errno.h>

int bus_pipe_new(struct bus_pipe **ret, struct bus_adapter *a, size_t max, size_t queue_max,
                 const struct bus_pipe_ops *ops, void *userdata, int *ret_fd)
{
    (void)ret, (void)a, (void)max, (void)queue_max, (void)ops, (void)userdata, (void)ret_fd;
    return -EOPNOTSUPP;
}

struct bus_pipe *bus_pipe_free(struct bus_pipe *p)
{
    (void)p;
    return NULL;
}

int bus_pipe_send(struct bus_pipe *p, const uint8_t *data, size_t n)
{
    (void)p, (void)data, (void)n;
    return -EOPNOTSUPP;
}

void bus_pipe_resume(struct bus_pipe *p)
{
    (void)p;
}

void bus_pipe_set_max(struct bus_pipe *p, size_t max)
{
    (void)p, (void)max;
}

const struct bus_module bus_module_pipe = {0};
