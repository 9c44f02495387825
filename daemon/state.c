/* SPDX-License-Identifier: MIT */
/*
 * The file has one form and one length, so that a torn one cannot be taken for whole:
 *
 *     bled identity 1
 *     static-address C0:11:22:33:44:55
 *     irk 000102030405060708090a0b0c0d0e0f
 *     end
 *
 * It appears whole or not at all: written under another name, fsynced, renamed over, the directory
 * fsynced. A crash between leaves the other name, which the next start overwrites.
 */
#include "state.h"
#include "base/cleanup.h"
#include "entropy.h"
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD    "bled identity 1\nstatic-address "
#define MIDDLE  "\nirk "
#define TAIL    "\nend\n"
#define FILE_AT "identity"
#define TEMP_AT "identity.tmp"

enum {
    TEXT_LEN = sizeof(HEAD) - 1 + 17 + sizeof(MIDDLE) - 1 + 32 + sizeof(TAIL) - 1,
    ASIDE_MAX = 100,
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static void format_identity(const struct state_identity *id, char out[static TEXT_LEN + 1])
{
    char address[ADDR_TEXT_LEN];
    int n =
        snprintf(out, TEXT_LEN + 1, HEAD "%s" MIDDLE, bl_addr_format(&id->static_addr, address));
    for (size_t i = 0; i < sizeof(id->irk); i++)
        n += snprintf(out + n, (size_t)(TEXT_LEN + 1 - n), "%02x", id->irk[i]);
    snprintf(out + n, (size_t)(TEXT_LEN + 1 - n), TAIL);
}

static bool parse_hex(const char *text, uint8_t *out, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 2 * n; i++) {
        const char *d = text[i] ? strchr(digits, text[i]) : NULL;
        if (!d)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (d - digits));
    }
    return true;
}

/* Core 5.4, Vol 6, Part B, 1.3.2.1: the random part is neither all zeros nor all ones. */
static bool is_static_address(const struct bl_addr *a)
{
    bool zeros = (a->b[5] & 0x3f) == 0, ones = (a->b[5] & 0x3f) == 0x3f;
    for (int i = 0; i < 5; i++) {
        zeros = zeros && a->b[i] == 0;
        ones = ones && a->b[i] == 0xff;
    }
    return bl_addr_is_static(a) && !zeros && !ones;
}

static bool parse_identity(const char *text, size_t n, struct state_identity *ret)
{
    struct state_identity id;
    char address[ADDR_TEXT_LEN];
    if (n != TEXT_LEN || memcmp(text, HEAD, strlen(HEAD)) != 0)
        return false;
    text += strlen(HEAD);
    memcpy(address, text, 17);
    address[17] = '\0';
    text += 17;
    if (!bl_addr_parse(address, ADDR_RANDOM, &id.static_addr) ||
        !is_static_address(&id.static_addr))
        return false;
    if (memcmp(text, MIDDLE, strlen(MIDDLE)) != 0 || !parse_hex(text + strlen(MIDDLE), id.irk, 16))
        return false;
    text += strlen(MIDDLE) + 32;
    if (memcmp(text, TAIL, strlen(TAIL)) != 0)
        return false;
    *ret = id;
    return true;
}

static int make_identity(struct state_identity *ret)
{
    struct state_identity id = {.static_addr.type = ADDR_RANDOM};
    do {
        int r = entropy_random(NULL, id.static_addr.b, sizeof(id.static_addr.b));
        if (r == 0)
            r = entropy_random(NULL, id.irk, sizeof(id.irk));
        if (r < 0)
            return r;
        id.static_addr.b[5] |= 0xc0;
    } while (!is_static_address(&id.static_addr));
    *ret = id;
    explicit_bzero(&id, sizeof(id));
    return 0;
}

/* 0; -ENOENT: there is none; -EBADMSG: it is no identity. */
static int load_identity(int dir, struct state_identity *ret)
{
    _cleanup_(close_fd) int fd =
        openat(dir, FILE_AT, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ELOOP ? -EBADMSG : -errno;
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EBADMSG;
    char text[TEXT_LEN + 1];
    size_t n = 0;
    while (n < sizeof(text)) {
        ssize_t got = read(fd, text + n, sizeof(text) - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    bool good = parse_identity(text, n, ret);
    explicit_bzero(text, sizeof(text));
    return good ? 0 : -EBADMSG;
}

static int write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, text, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        text += done;
        n -= (size_t)done;
    }
    return 0;
}

static int write_temporary(int dir, const char *text)
{
    if (unlinkat(dir, TEMP_AT, 0) < 0 && errno != ENOENT)
        return -errno;
    _cleanup_(close_fd) int fd =
        openat(dir, TEMP_AT, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = write_all(fd, text, TEXT_LEN);
    if (r < 0)
        return r;
    return fsync(fd) < 0 ? -errno : 0;
}

static int store_identity(int dir, const struct state_identity *id)
{
    char text[TEXT_LEN + 1];
    format_identity(id, text);
    int r = write_temporary(dir, text);
    explicit_bzero(text, sizeof(text));
    if (r == 0 && renameat(dir, TEMP_AT, dir, FILE_AT) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir, TEMP_AT, 0);
        return r;
    }
    return fsync(dir) < 0 ? -errno : 0;
}

static int set_aside(int dir, const char *where, const char *name)
{
    for (int i = 1; i <= ASIDE_MAX; i++) {
        char aside[32];
        snprintf(aside, sizeof(aside), FILE_AT ".aside%d", i);
        if (renameat2(dir, FILE_AT, dir, aside, RENAME_NOREPLACE) == 0) {
            log_msg(LOG_WARN, name,
                    "%s/" FILE_AT " is torn or not ours: kept as %s; the adapter gets a new static "
                    "address and identity key, and peers that knew the old ones must pair again",
                    where, aside);
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* <state-dir>/<name>, made where it does not exist, as an open directory. */
static int open_place(const char *state_dir, const char *where)
{
    if ((mkdir(state_dir, 0700) < 0 && errno != EEXIST) ||
        (mkdir(where, 0700) < 0 && errno != EEXIST))
        return -errno;
    int fd = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int state_identity(const char *state_dir, const char *name, struct state_identity *ret)
{
    char where[4096];
    int r = snprintf(where, sizeof(where), "%s/%s", state_dir, name);
    _cleanup_(close_fd) int dir =
        r < (int)sizeof(where) ? open_place(state_dir, where) : -ENAMETOOLONG;
    *ret = (struct state_identity){0};
    r = dir < 0 ? dir : load_identity(dir, ret);
    if (r == 0)
        return 0;
    if (r == -EBADMSG)
        r = set_aside(dir, where, name);
    else if (r == -ENOENT && dir >= 0)
        r = 0;
    int made = make_identity(ret);
    if (made < 0) {
        log_msg(LOG_ERROR, name, "no random bytes for an identity: %s", strerror(-made));
        return made;
    }
    if (r == 0)
        r = store_identity(dir, ret);
    if (r < 0)
        log_msg(LOG_ERROR, name,
                "the identity in %s cannot be read or stored (%s): this run has one that is lost "
                "with it; see the directory's owner and mode, and --state-dir",
                where, strerror(-r));
    return r;
}
