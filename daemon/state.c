/* SPDX-License-Identifier: MIT */
/*
 * The file has one form and one length, so that a torn one cannot be taken for whole:
 *
 *     bled identity 1
 *     static-address C0:11:22:33:44:55
 *     irk 000102030405060708090a0b0c0d0e0f
 *     end
 *
 * It appears whole or not at all (whole.h).
 */
#include "state.h"
#include "base/cleanup.h"
#include "entropy.h"
#include "log.h"
#include "whole.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define HEAD    "bled identity 1\nstatic-address "
#define MIDDLE  "\nirk "
#define TAIL    "\nend\n"
#define FILE_AT "identity"

enum {
    TEXT_LEN = sizeof(HEAD) - 1 + 17 + sizeof(MIDDLE) - 1 + 32 + sizeof(TAIL) - 1,
};

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
    char text[TEXT_LEN];
    size_t n;
    int r = whole_read(dir, FILE_AT, text, sizeof(text), &n);
    if (r == 0 && !parse_identity(text, n, ret))
        r = -EBADMSG;
    explicit_bzero(text, sizeof(text));
    return r;
}

static int store_identity(int dir, const struct state_identity *id)
{
    char text[TEXT_LEN + 1];
    format_identity(id, text);
    int r = whole_write(dir, FILE_AT, text, TEXT_LEN);
    explicit_bzero(text, sizeof(text));
    return r;
}

static int set_aside(int dir, const char *where, const char *name)
{
    char aside[WHOLE_NAME];
    int r = whole_aside(dir, FILE_AT, aside);
    if (r == 0)
        log_msg(LOG_WARN, name,
                "%s/" FILE_AT " is torn or not ours: kept as %s; the adapter gets a new static "
                "address and identity key, and peers that knew the old ones must pair again",
                where, aside);
    return r;
}

/* So that what was made in it survives a power cut. */
static int sync_directory(const char *path)
{
    _cleanup_(whole_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : whole_sync(fd);
}

int state_place(const char *state_dir, const char *name, char ret_where[static STATE_PATH])
{
    int n = snprintf(ret_where, STATE_PATH, "%s/%s", state_dir, name);
    if (n >= STATE_PATH)
        return -ENAMETOOLONG;
    if (mkdir(state_dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    int r = mkdir(ret_where, 0700) == 0 ? sync_directory(state_dir) : errno == EEXIST ? 0 : -errno;
    if (r < 0)
        return r;
    int fd = open(ret_where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int state_identity(const char *state_dir, const char *name, struct state_identity *ret)
{
    char where[STATE_PATH];
    _cleanup_(whole_close) int dir = state_place(state_dir, name, where);
    *ret = (struct state_identity){0};
    int r = dir < 0 ? dir : load_identity(dir, ret);
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
