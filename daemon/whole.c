/* SPDX-License-Identifier: MIT */
/*
 * A crash leaves at most the temporary name behind, which the next writing of that file, or whoever
 * lists the directory, removes. It is created anew each time (O_EXCL): what somebody else has put
 * there is not written into.
 */
#include "whole.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void whole_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* One octet more than wanted is asked for, to see whether the file ends there. */
static int read_to_end(int fd, void *buf, size_t size, size_t *ret_n)
{
    uint8_t *at = buf, more;
    size_t n = 0;
    for (;;) {
        ssize_t got = n < size ? read(fd, at + n, size - n) : read(fd, &more, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        if (n == size)
            return -EBADMSG;
        n += (size_t)got;
    }
    *ret_n = n;
    return 0;
}

int whole_read(int dir, const char *name, void *buf, size_t size, size_t *ret_n)
{
    _cleanup_(whole_close) int fd =
        openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) /* ENXIO: a socket */
        return errno == ELOOP || errno == ENXIO ? -EBADMSG : -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    return read_to_end(fd, buf, size, ret_n);
}

static int write_all(int fd, const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_temporary(int dir, const char *name, const void *bytes, size_t n)
{
    if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
        return -errno;
    _cleanup_(whole_close) int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, bytes, n);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

int whole_write(int dir, const char *name, const void *bytes, size_t n)
{
    char temporary[WHOLE_NAME];
    snprintf(temporary, sizeof(temporary), "%s" WHOLE_TEMPORARY, name);
    int r = write_temporary(dir, temporary, bytes, n);
    if (r == 0 && renameat(dir, temporary, dir, name) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir, temporary, 0);
        return r;
    }
    return whole_sync(dir);
}

int whole_sync(int dir)
{
    return fsync(dir) < 0 && errno != EINVAL ? -errno : 0;
}

int whole_aside(int dir, const char *name, char ret_aside[static WHOLE_NAME])
{
    for (int i = 1; i <= WHOLE_ASIDE_MAX; i++) {
        snprintf(ret_aside, WHOLE_NAME, "%s.aside%d", name, i);
        if (renameat2(dir, name, dir, ret_aside, RENAME_NOREPLACE) == 0)
            return 0;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}
