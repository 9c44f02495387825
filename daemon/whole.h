/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * whole: small files that are on the disk whole or not at all, and are never lost by us.
 *
 * dir is an open directory, name the plain name of a file in it, of less than WHOLE_STEM octets.
 * All return 0 or -errno.
 */

#include <stddef.h>

#define WHOLE_TEMPORARY ".tmp" /* behind the name, while a file is being written */

enum {
    WHOLE_STEM = 64,
    WHOLE_NAME = WHOLE_STEM + 16, /* with what is put behind it */
    WHOLE_ASIDE_MAX = 100,
};

/* For _cleanup_: an open descriptor, or a negative number. */
void whole_close(int *fd);

/* At most size octets, *ret_n of them. -ENOENT: there is none. -EBADMSG: it is longer, or no
 * regular file; a symbolic link is not followed, and no FIFO is waited for. */
int whole_read(int dir, const char *name, void *buf, size_t size, size_t *ret_n);

/*
 * Written under the temporary name, fsynced, renamed over, the directory fsynced: at any instant
 * there is what was there before, or the new one. After a failure it is what was there before
 * (when nothing but the directory's fsync failed: either), and no temporary file is left.
 */
int whole_write(int dir, const char *name, const void *bytes, size_t n);

/* fsync of a directory, where the file system has such a thing. */
int whole_sync(int dir);

/* Gives what has that name, a file or anything else, another one, which is free: NAME.asideN. */
int whole_aside(int dir, const char *name, char ret_aside[static WHOLE_NAME]);
