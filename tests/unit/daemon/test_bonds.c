/* SPDX-License-Identifier: MIT */
/*
 * bonds: what is stored when, that it is there again, and whole, wherever a kill or a failure of
 * the disk cuts in, and whose it is. System calls that the store makes are wrapped: the Nth of them
 * fails, is cut short, or is where the process is killed, before it or after it.
 */
#include "base/cleanup.h"
#include "bonds.h"
#include "bonds_disk.h"
#include "bounds.h"
#include "clock.h"
#include "log.h"
#include "whole.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- system calls ---- */

enum fault {
    FAULT_NONE,
    FAULT_KILL_BEFORE,
    FAULT_KILL_AFTER,
    FAULT_KILL_HALF, /* a write of half; other calls are not concerned */
    FAULT_ERROR,     /* this one */
    FAULT_BROKEN,    /* this one and all that follow */
};

static struct calls {
    enum fault fault;
    int countdown, error;
    bool short_writes;
    int read_countdown, read_error; /* the Nth call that opens for reading, or reads, fails */
    int no_memory;                  /* the Nth calloc(), counted from 1, and all that follow */
    char trace[512];                /* the calls that change something */
    unsigned syncs, calls;
    unsigned slow_us; /* what a sync takes */
} sys;

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void note(const char *name)
{
    sys.calls++;
    sys.syncs += strcmp(name, "fsync") == 0;
    if (strlen(sys.trace) + strlen(name) + 2 < sizeof(sys.trace)) {
        if (sys.trace[0])
            strcat(sys.trace, " ");
        strcat(sys.trace, name);
    }
}

/* True: the call is to fail. *ret_after: to be killed after it. */
static bool strikes(const char *name, bool *ret_after)
{
    *ret_after = false;
    note(name);
    if (sys.fault == FAULT_NONE || (sys.fault == FAULT_KILL_HALF && strcmp(name, "write") != 0))
        return false;
    if (sys.countdown > 0) {
        sys.countdown--;
        return false;
    }
    if (sys.fault == FAULT_KILL_BEFORE)
        die();
    if (sys.fault == FAULT_KILL_AFTER || sys.fault == FAULT_KILL_HALF) {
        *ret_after = true;
        return false;
    }
    if (sys.fault == FAULT_ERROR)
        sys.fault = FAULT_NONE;
    errno = sys.error;
    return true;
}

#define WRAP(type, name, what, params, args)                                                       \
    type __real_##name params;                                                                     \
    type __wrap_##name params;                                                                     \
    type __wrap_##name params                                                                      \
    {                                                                                              \
        bool after;                                                                                \
        if (strikes(what, &after))                                                                 \
            return -1;                                                                             \
        type r = __real_##name args;                                                               \
        if (after)                                                                                 \
            die();                                                                                 \
        return r;                                                                                  \
    }

/* A kill loses nothing of what was written: the real thing would only take time. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    bool after;
    if (strikes("fsync", &after))
        return -1;
    if (after)
        die();
    usleep(sys.slow_us);
    return fcntl(fd, F_GETFD) < 0 ? -1 : 0;
}

WRAP(int, mkdir, "mkdir", (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, "mkdirat", (int at, const char *path, mode_t mode), (at, path, mode))
WRAP(int, fchmod, "fchmod", (int fd, mode_t mode), (fd, mode))
WRAP(int, unlinkat, "unlinkat", (int at, const char *path, int flags), (at, path, flags))
WRAP(int, renameat, "rename", (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, renameat2, "rename2", (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
/* What sorts keys leaves copies of them behind. */
void __real_qsort(void *p, size_t n, size_t size, int (*order)(const void *, const void *));
void __wrap_qsort(void *p, size_t n, size_t size, int (*order)(const void *, const void *));
void __wrap_qsort(void *p, size_t n, size_t size, int (*order)(const void *, const void *))
{
    ck_assert_uint_eq(size, sizeof(void *));
    __real_qsort(p, n, size, order);
}

ssize_t __real_read(int fd, void *p, size_t n);
ssize_t __wrap_read(int fd, void *p, size_t n);
int __real_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...);

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    bool after;
    if (fd == STDERR_FILENO || fd == STDOUT_FILENO)
        return __real_write(fd, p, n);
    if (strikes("write", &after))
        return -1;
    if (after && sys.fault == FAULT_KILL_HALF)
        n /= 2;
    if (sys.short_writes && n > 7)
        n = 7;
    ssize_t r = __real_write(fd, p, n);
    if (after)
        die();
    return r;
}

/* True: the call is to fail. */
static bool strikes_reading(void)
{
    if (sys.read_error == 0 || sys.read_countdown < 0 || sys.read_countdown-- > 0)
        return false;
    errno = sys.read_error;
    return true;
}

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size)
{
    if (sys.no_memory == 1)
        return NULL;
    sys.no_memory -= sys.no_memory > 1;
    return __real_calloc(n, size);
}

ssize_t __wrap_read(int fd, void *p, size_t n)
{
    if (strikes_reading())
        return -1;
    return __real_read(fd, p, sys.short_writes && n > 5 ? 5 : n);
}

int __wrap_openat64(int at, const char *path, int flags, ...)
{
    bool after = false;
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    if (flags & O_CREAT ? strikes("create", &after) : strikes_reading())
        return -1;
    int r = __real_openat64(at, path, flags, mode);
    if (after)
        die();
    return r;
}

/* ---- the test's world ---- */

#define SECOND UINT64_C(1000000)

static char dir[] = "/tmp/bled-test-bonds.XXXXXX";
static const struct bonds_controller ours = {
    .address = {ADDR_PUBLIC, {0x55, 0x44, 0x33, 0x22, 0x11, 0x00}},
    .hci_version = 9,
    .manufacturer = 93};
static struct bonds store;
static uint64_t now;

static void calm(void)
{
    memset(&sys, 0, sizeof(sys));
}

static void open_store(bool any_controller)
{
    bonds_init(&store, &(struct bonds_place){
                           .state_dir = dir, .name = "hci0", .any_controller = any_controller});
    (void)bonds_serve(&store, now, &ours);
}

static void set_up(void)
{
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_set_target("null");
    umask(0); /* modes are those asked for */
    now = 1000 * SECOND;
    calm();
    open_store(false);
}

static void tear_down(void)
{
    char command[128];
    calm();
    bonds_done(&store);
    snprintf(command, sizeof(command), "chmod -R u+rwx %s; rm -rf %s", dir, dir);
    ck_assert_int_eq(system(command), 0);
}

static char *place(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/hci0/%s", dir, name);
    return path;
}

static struct bl_bond bond_of(uint8_t number, uint8_t keys)
{
    struct bl_bond b = {.identity = {number & 1, {number, 2, 3, 4, 5, 0xc6}},
                        .has_local_ltk = true,
                        .has_peer_ltk = true,
                        .has_irk = true,
                        .has_local_csrk = true,
                        .has_peer_csrk = true,
                        .local_ltk = {.size = 16, .ediv = keys},
                        .peer_ltk = {.size = 16, .ediv = keys},
                        .last_seen = number,
                        .local_counter = 5,
                        .peer_counter = 9};
    memset(b.local_ltk.key, keys, 16);
    memset(b.peer_ltk.key, keys, 16);
    memset(b.irk, keys, 16);
    memset(b.local_csrk, keys, 16);
    memset(b.peer_csrk, keys, 16);
    return b;
}

/* What bonds_load() gives. */
static struct {
    struct bl_bond bonds[BL_MAX_BONDS];
    size_t n;
    int refuse;
} got;

static int take(void *ctx, const struct bl_bond *bond)
{
    (void)ctx;
    if (got.refuse)
        return got.refuse;
    ck_assert_uint_lt(got.n, BL_MAX_BONDS);
    got.bonds[got.n++] = *bond;
    return 0;
}

static size_t load(void)
{
    got.n = 0;
    ck_assert_uint_eq(bonds_load(&store, take, NULL), got.n);
    return got.n;
}

static const struct bl_bond *found(uint8_t number)
{
    struct bl_addr identity = bond_of(number, 1).identity;
    for (size_t i = 0; i < got.n; i++)
        if (bl_addr_eq(&got.bonds[i].identity, &identity))
            return &got.bonds[i];
    return NULL;
}

/* As after a restart: nothing but the disk counts. */
static size_t load_anew(void)
{
    bonds_done(&store);
    open_store(false);
    return load();
}

/* The directory is there, with nothing in it. */
static void make_place(void)
{
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    bonds_delete(&store, now, &b.identity);
    ck_assert_uint_eq(load_anew(), 0);
}

static int stored(uint8_t number, struct bl_bond *ret)
{
    struct bl_bond b = bond_of(number, 1);
    int fd = open(place("bonds"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    int r = bonds_disk_read(fd, &b.identity, ret);
    close(fd);
    return r;
}

static char *file_of(uint8_t number)
{
    char name[BONDS_FILE_NAME_MAX], path[64];
    struct bl_bond b = bond_of(number, 1);
    snprintf(path, sizeof(path), "bonds/%s", bonds_file_name(&b.identity, name));
    return place(path);
}

static void put(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static size_t slurp(const char *path, char *out, size_t n)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return 0;
    size_t got_bytes = fread(out, 1, n, f);
    fclose(f);
    return got_bytes;
}

/* Names in <dir>/hci0/<name> that contain text. */
static int count(const char *name, const char *text)
{
    DIR *d = opendir(place(name));
    struct dirent *e;
    int n = 0;
    if (!d)
        return -1;
    while ((e = readdir(d)))
        n += e->d_name[0] != '.' && strstr(e->d_name, text) != NULL;
    closedir(d);
    return n;
}

/* ---- what is stored when ---- */

START_TEST(a_new_bond_is_on_the_disk_at_once_and_there_again)
{
    struct bl_bond b = bond_of(1, 7);
    struct stat st;
    make_place();
    calm();
    bonds_write(&store, now, &b);
    ck_assert_str_eq(sys.trace, "unlinkat create write fsync rename fsync");
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_mem_eq(found(1)->local_ltk.key, b.local_ltk.key, 16);
    ck_assert_mem_eq(found(1)->irk, b.irk, 16);
    ck_assert_int_eq(stat(file_of(1), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_eq(stat(place("bonds"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
    ck_assert_int_eq(count("bonds", ".tmp"), 0);
}
END_TEST

START_TEST(a_deletion_is_on_the_disk_at_once)
{
    struct bl_bond b = bond_of(1, 7), other = bond_of(2, 7);
    bonds_write(&store, now, &b);
    bonds_write(&store, now, &other);
    calm();
    bonds_delete(&store, now, &b.identity);
    ck_assert_str_eq(sys.trace, "unlinkat fsync");
    ck_assert_uint_eq(load(), 1);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_ptr_nonnull(found(2));
    bonds_delete(&store, now, &b.identity); /* there is none: nothing happens */
    ck_assert_uint_eq(load_anew(), 1);
}
END_TEST

START_TEST(other_keys_are_written_at_once_and_the_same_not_at_all)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    calm();
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(sys.calls, 0);
    b.irk[0] ^= 1;
    bonds_write(&store, now, &b);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_uint_eq(back.irk[0], b.irk[0]);
    b.authenticated = true;
    bonds_write(&store, now, &b);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert(back.authenticated);
    bonds_done(&store);
    open_store(false);
    calm();
    bonds_write(&store, now, &b);               /* as it is in the file */
    ck_assert_str_eq(sys.trace, "mkdir mkdir"); /* of what is there */
    ck_assert_uint_eq(bonds_deadline(&store), UINT64_MAX);
}
END_TEST

/* The client has it confirmed: it is on the disk by then. Of many, a slow disk has its rest. */
START_TEST(a_subscription_is_written_at_once_and_many_leave_time_between)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    for (uint16_t i = 0; i < 10; i++) {
        bool rests = i > 0 && i % 2;
        b.cccds[b.n_cccds++] = (struct bl_bond_cccd){.handle = (uint16_t)(i + 1), .bits = 1};
        now = rests ? store.rest_until - 1 : now + SECOND;
        calm();
        bonds_write(&store, now, &b);
        ck_assert_uint_eq(sys.syncs, rests ? 0 : 2);
        if (rests) {
            ck_assert_uint_eq(bonds_deadline(&store), store.rest_until);
            now = store.rest_until;
            bonds_tick(&store, now);
        }
        ck_assert_int_eq(stored(1, &back), 0);
        ck_assert_uint_eq(back.n_cccds, i + 1);
        ck_assert_uint_gt(store.rest_until, now);
    }
}
END_TEST

/* It costs a peer little to pair again and again, and the disk of a small machine a lot. */
START_TEST(pairings_without_end_leave_time_between_too)
{
    struct bl_bond b = bond_of(1, 7), other = bond_of(2, 7), back;
    bonds_write(&store, now, &other);
    store.urgent_until = now + BONDS_URGENT_US;
    sys = (struct calls){.slow_us = 1000};
    bonds_write(&store, now, &b);
    ck_assert_uint_gt(sys.syncs, 0);
    ck_assert_uint_ge(store.urgent_until, now + BONDS_URGENT_US + 20000);

    calm();
    b.irk[0]++;
    bonds_write(&store, now, &b);
    bonds_delete(&store, now, &other.identity);
    ck_assert_uint_eq(sys.calls, 0);
    ck_assert_uint_eq(load(), 1); /* as it will be */
    ck_assert_mem_eq(found(1)->irk, b.irk, 16);
    ck_assert_uint_le(bonds_deadline(&store), now);
    sys = (struct calls){.slow_us = 1000};
    bonds_tick(&store, now); /* the one, and after a rest the other */
    ck_assert_uint_ge(bonds_deadline(&store), now + 10000);
    now = bonds_deadline(&store);
    bonds_tick(&store, now);
    ck_assert_int_eq(stored(2, &back), -ENOENT);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_mem_eq(back.irk, b.irk, 16);

    now = store.urgent_until - BONDS_URGENT_US;
    calm();
    b.irk[0]++;
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(sys.syncs, 2);
}
END_TEST

START_TEST(a_change_that_never_ends_is_written_now_and_then)
{
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    calm();
    for (int i = 0; i < 1000; i++) { /* 10 s */
        now += SECOND / 100;
        b.client_features = (uint8_t)i;
        bonds_write(&store, now, &b);
        if (bonds_deadline(&store) <= now)
            bonds_tick(&store, now);
    }
    ck_assert_uint_ge(sys.syncs, 2 * 3);
    ck_assert_uint_le(sys.syncs, 2 * 5);
    bonds_flush(&store, now);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_uint_eq(found(1)->client_features, (uint8_t)999);
}
END_TEST

/* Whoever is told of what the peer signed is told after this. */
START_TEST(a_higher_counter_of_the_peer_is_on_the_disk_at_once)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    for (unsigned i = 0; i < 10; i++) {
        if (i == 5) {
            bonds_done(&store);
            open_store(false);
        }
        b.peer_counter += 1 + i;
        bonds_write(&store, now + i, &b);
        ck_assert_int_eq(stored(1, &back), 0);
        ck_assert_uint_eq(back.peer_counter, b.peer_counter);
    }
    b.peer_counter -= 5; /* it was told ahead: no hurry, and it is made good */
    calm();
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(sys.calls, 0);
    bonds_tick(&store, now + 2 * BONDS_COALESCE_US);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_uint_eq(back.peer_counter, b.peer_counter);
}
END_TEST

START_TEST(counters_do_not_hurry_a_disk_that_fails)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    sys.fault = FAULT_BROKEN;
    sys.error = EIO;
    b.peer_counter++;
    bonds_write(&store, now, &b);
    unsigned tried = sys.calls;
    for (unsigned i = 0; i < 10; i++) {
        b.peer_counter++;
        bonds_write(&store, now, &b);
    }
    ck_assert_uint_eq(sys.calls, tried);
    calm();
    bonds_tick(&store, now + BONDS_RETRY_US);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_uint_eq(back.peer_counter, b.peer_counter);
}
END_TEST

START_TEST(our_own_counter_is_never_stored_behind_what_was_used)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    bonds_done(&store);
    open_store(false);
    calm();
    for (uint32_t i = 0; i < 5 * BONDS_AHEAD; i++) {
        b.local_counter++;
        bonds_write(&store, now, &b);
        ck_assert_int_eq(stored(1, &back), 0); /* without any turn: they may be many in one */
        ck_assert_uint_ge(back.local_counter, b.local_counter);
    }
    ck_assert_uint_le(sys.syncs, 2 * 6);
    b.local_counter = UINT32_MAX - 3;
    bonds_write(&store, now, &b);
    bonds_flush(&store, now);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_uint_eq(back.local_counter, UINT32_MAX);
}
END_TEST

START_TEST(the_end_of_a_link_and_of_the_process_write_what_waits)
{
    struct bl_bond b = bond_of(1, 7), back;
    bonds_write(&store, now, &b);
    b.aware = true;
    bonds_write(&store, now, &b);
    ck_assert_uint_gt(bonds_deadline(&store), now);
    bonds_hurry(&store, now);
    ck_assert_uint_eq(bonds_deadline(&store), now);
    bonds_tick(&store, now);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert(back.aware);
    b.client_features = 5;
    bonds_write(&store, now, &b);
    bonds_flush(&store, now);
    ck_assert_int_eq(stored(1, &back), 0);
    ck_assert_uint_eq(back.client_features, 5);
}
END_TEST

START_TEST(what_can_wait_is_written_one_a_turn_and_leaves_time_between)
{
    for (uint8_t i = 0; i < 10; i++) {
        struct bl_bond b = bond_of(i, 7);
        bonds_write(&store, now, &b);
        b.aware = true;
        bonds_write(&store, now, &b);
    }
    now += BONDS_COALESCE_US;
    for (unsigned i = 1; i <= 10; i++) {
        calm();
        uint64_t before = clock_us(CLOCK_MONOTONIC);
        bonds_tick(&store, now);
        uint64_t took = clock_us(CLOCK_MONOTONIC) - before;
        ck_assert_uint_eq(sys.syncs, 2);
        calm();
        ck_assert_uint_le(store.rest_until - now, 10 * took);
        if (store.rest_until > now) {
            ck_assert_uint_eq(bonds_deadline(&store),
                              i < 10 ? store.rest_until : bonds_deadline(&store));
            bonds_tick(&store, store.rest_until - 1);
            ck_assert_uint_eq(sys.calls, 0);
        }
        now = store.rest_until;
    }
    ck_assert_uint_eq(load_anew(), 10);
    for (uint8_t i = 0; i < 10; i++)
        ck_assert(found(i)->aware);
}
END_TEST

START_TEST(loading_gives_what_waits_and_what_is_deleted_not)
{
    struct bl_bond a = bond_of(1, 7), b = bond_of(2, 7), c = bond_of(3, 7);
    bonds_write(&store, now, &a);
    bonds_write(&store, now, &b);
    a.aware = true;
    bonds_write(&store, now, &a);
    sys = (struct calls){.fault = FAULT_BROKEN, .error = EIO};
    bonds_delete(&store, now, &b.identity);
    bonds_write(&store, now, &c);
    calm();
    ck_assert_uint_eq(load(), 2);
    ck_assert(found(1)->aware);
    ck_assert_ptr_null(found(2));
    ck_assert_ptr_nonnull(found(3));
    now += BONDS_RETRY_US;
    while (bonds_deadline(&store) <= now)
        bonds_tick(&store, now);
    for (int i = 0; i < 5; i++)
        bonds_tick(&store, now += SECOND);
    ck_assert_uint_eq(load_anew(), 2);
    ck_assert_ptr_nonnull(found(3));
}
END_TEST

START_TEST(a_bond_that_comes_after_a_deletion_that_failed_is_there)
{
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    sys = (struct calls){.fault = FAULT_BROKEN, .error = EIO};
    bonds_delete(&store, now, &b.identity);
    calm();
    ck_assert_uint_eq(load(), 0);
    b.local_csrk[3] = 1;
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(load(), 1);
    ck_assert_uint_eq(load_anew(), 1);
    b.local_csrk[3] = 2; /* another key, alone */
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_uint_eq(found(1)->local_csrk[3], 2);
}
END_TEST

START_TEST(who_was_seen_last_is_given_last)
{
    static const uint64_t seen[] = {50, 0, 99, 7, 3};
    for (uint8_t i = 0; i < ARRAY_LEN(seen); i++) {
        struct bl_bond b = bond_of(i, 7);
        b.last_seen = seen[i];
        bonds_write(&store, now, &b);
    }
    ck_assert_uint_eq(load_anew(), ARRAY_LEN(seen));
    for (size_t i = 1; i < got.n; i++)
        ck_assert_uint_gt(got.bonds[i].last_seen, got.bonds[i - 1].last_seen);
}
END_TEST

START_TEST(a_bond_that_nobody_takes_stays_in_its_file)
{
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    got.refuse = -ENOMEM;
    got.n = 0;
    ck_assert_uint_eq(bonds_load(&store, take, NULL), 0);
    got.refuse = 0;
    ck_assert_uint_eq(load_anew(), 1);
}
END_TEST

START_TEST(a_bond_that_is_not_as_it_should_be_does_not_replace_one)
{
    struct bl_bond b = bond_of(1, 7), bad = bond_of(1, 8);
    bonds_write(&store, now, &b);
    memset(bad.irk, 0, 16);
    bonds_write(&store, now, &bad);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_uint_eq(found(1)->irk[0], 7);
}
END_TEST

/* ---- kills and failures ---- */

enum { CRASH_NEW, CRASH_REPLACE, CRASH_CHANGE, CRASH_DELETE, CRASH_FIRST, CRASH_MOVE, CRASH_KINDS };

static const struct bonds_controller another = {
    .address = {ADDR_PUBLIC, {0x55, 0x44, 0x33, 0x22, 0x11, 0x00}},
    .hci_version = 9,
    .manufacturer = 2};

/* What the child is killed in; before it bond 2 is there, and bond 1 unless it is new. */
static void scenario(int kind)
{
    struct bl_bond b = bond_of(1, kind == CRASH_REPLACE ? 8 : 7);
    switch (kind) {
    case CRASH_NEW:
    case CRASH_REPLACE:
    case CRASH_FIRST:
        bonds_write(&store, now, &b);
        break;
    case CRASH_CHANGE:
        b.aware = true;
        bonds_write(&store, now, &b);
        bonds_flush(&store, now);
        break;
    case CRASH_DELETE:
        bonds_delete(&store, now, &b.identity);
        break;
    default: /* ours goes, another comes and has a bond, ours is back */
        (void)bonds_serve(&store, now, &another);
        b = bond_of(3, 9);
        bonds_write(&store, now, &b);
        (void)bonds_serve(&store, now, &ours);
        got.n = 0;
        (void)bonds_load(&store, take, NULL);
    }
}

static void prepare(int kind)
{
    char command[300];
    struct bl_bond a = bond_of(1, 7), b = bond_of(2, 7);
    bonds_done(&store);
    snprintf(command, sizeof(command), "rm -rf %s/hci0", dir);
    ck_assert_int_eq(system(command), 0);
    open_store(false);
    if (kind == CRASH_FIRST)
        return;
    bonds_write(&store, now, &b);
    if (kind != CRASH_NEW)
        bonds_write(&store, now, &a);
    bonds_done(&store);
    open_store(false);
}

/* What a load gives is one of the two states, whole. */
static void check_whole(int kind, bool all_done)
{
    const struct bl_bond *a = found(1), *b = found(2);
    ck_assert_int_eq(b != NULL, kind != CRASH_FIRST);
    ck_assert_ptr_null(found(3));
    if (kind == CRASH_REPLACE || kind == CRASH_CHANGE || kind == CRASH_MOVE)
        ck_assert_ptr_nonnull(a);
    if (a && kind == CRASH_REPLACE) {
        struct bl_bond is = bond_of(1, a->irk[0]); /* the old or the new, not of both */
        ck_assert(a->irk[0] == 7 || a->irk[0] == 8);
        ck_assert_mem_eq(a->local_ltk.key, is.local_ltk.key, 16);
        ck_assert_mem_eq(a->peer_csrk, is.peer_csrk, 16);
        ck_assert_uint_eq(a->peer_ltk.ediv, is.peer_ltk.ediv);
    }
    if (a && kind != CRASH_REPLACE)
        ck_assert_uint_eq(a->irk[0], 7);
    if (!all_done)
        return;
    ck_assert_int_eq(a != NULL, kind != CRASH_DELETE);
    if (kind == CRASH_REPLACE)
        ck_assert_uint_eq(a->irk[0], 8);
    if (kind == CRASH_CHANGE)
        ck_assert(a->aware);
}

/* True: it was killed at call n. */
static bool killed_at(int kind, enum fault fault, int n)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        sys.fault = fault;
        sys.countdown = n;
        scenario(kind);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        ck_assert_int_eq(WTERMSIG(status), SIGKILL);
        return true;
    }
    ck_assert_int_eq(WEXITSTATUS(status), 0);
    return false;
}

START_TEST(a_kill_at_any_step_leaves_the_old_bond_or_the_new_one_whole)
{
    static const enum fault faults[] = {FAULT_KILL_BEFORE, FAULT_KILL_AFTER, FAULT_KILL_HALF};
    static const int least[CRASH_KINDS] = {6, 6, 6, 2, 15, 20};
    int kind = _i;
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        int n = 0;
        bool killed;
        do {
            prepare(kind);
            killed = killed_at(kind, faults[i], n++);
            (void)load_anew();
            check_whole(kind, !killed);
            ck_assert_int_le(count("bonds", ".aside"), 0); /* there may be no such directory */
            /* And it goes on as if nothing had been. */
            struct bl_bond b = bond_of(1, 11);
            bonds_write(&store, now, &b);
            (void)load_anew();
            ck_assert_uint_eq(found(1)->irk[0], 11);
            ck_assert_int_eq(count("bonds", ".tmp"), 0);
        } while (killed);
        ck_assert_int_gt(n, faults[i] == FAULT_KILL_HALF ? (kind == CRASH_DELETE ? 0 : 1)
                                                         : least[kind]);
    }
}
END_TEST

/* Two kills in a row, the second wherever the first start after the first one writes. */
START_TEST(a_kill_in_the_start_after_a_kill_is_no_different)
{
    for (int first = 0;; first++) {
        prepare(CRASH_MOVE);
        bool any = killed_at(CRASH_MOVE, FAULT_KILL_BEFORE, first);
        for (int second = 0;; second++) {
            prepare(CRASH_MOVE);
            (void)killed_at(CRASH_MOVE, FAULT_KILL_BEFORE, first);
            bonds_done(&store);
            open_store(false);
            bool again = killed_at(CRASH_MOVE, FAULT_KILL_BEFORE, second);
            (void)load_anew();
            check_whole(CRASH_MOVE, false);
            if (!again)
                break;
            ck_assert_int_lt(second, 60);
        }
        if (!any)
            break;
        ck_assert_int_lt(first, 60);
    }
}
END_TEST

START_TEST(a_failure_at_any_step_loses_nothing_and_is_made_up_for)
{
    static const int errors[] = {ENOSPC, EIO, EACCES, EROFS, EDQUOT};
    int kind = _i;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        for (int broken = 0; broken < 2; broken++) {
            int n = 0;
            bool struck;
            do {
                prepare(kind);
                sys = (struct calls){.fault = broken ? FAULT_BROKEN : FAULT_ERROR,
                                     .error = errors[i],
                                     .countdown = n++};
                scenario(kind);
                struck = broken ? sys.countdown == 0 : sys.fault == FAULT_NONE;
                calm();
                if (kind != CRASH_MOVE) { /* in memory it is as it should be */
                    (void)load();
                    check_whole(kind, true);
                }
                /* What is on the disk meanwhile is one or the other. */
                struct bonds memory;
                bonds_init(&memory, &store.place);
                (void)bonds_serve(&memory, now, &ours);
                got.n = 0;
                (void)bonds_load(&memory, take, NULL);
                bonds_done(&memory);
                check_whole(kind, false);
                /* The disk is good again, the next attempt comes. */
                for (int turn = 0; turn < 10; turn++)
                    bonds_tick(&store, now += BONDS_RETRY_US);
                (void)load_anew();
                check_whole(kind, kind != CRASH_MOVE);
                ck_assert_int_eq(count("bonds", ".aside"), 0);
                ck_assert_int_eq(count("bonds", ".tmp"), 0);
            } while (struck);
            ck_assert_int_gt(n, 2);
        }
}
END_TEST

/* Loading, then storing other keys, with the Nth call that reads failing. */
START_TEST(a_failure_to_read_moves_and_loses_nothing)
{
    static const int errors[] = {EMFILE, ENFILE, ENOMEM, EINTR};
    struct bonds_controller other = ours;
    other.manufacturer++;
    for (size_t i = 0; i < ARRAY_LEN(errors); i++)
        for (int moved = 0; moved < 2; moved++) {
            int n = 0;
            bool struck;
            do {
                struct bl_bond b = bond_of(1, 8), c = bond_of(3, 7);
                prepare(CRASH_REPLACE);
                if (moved) { /* ours are kept, while another is there */
                    (void)bonds_serve(&store, now, &other);
                    bonds_write(&store, now, &c);
                    bonds_done(&store);
                    open_store(false);
                }
                sys.read_error = errors[i];
                sys.read_countdown = n++;
                got.n = 0;
                (void)bonds_load(&store, take, NULL);
                bonds_write(&store, now, &b);
                struck = sys.read_countdown < 0;
                calm();
                for (int turn = 0; turn < 10; turn++)
                    bonds_tick(&store, now += BONDS_RETRY_US);
                ck_assert_uint_eq(load_anew(), 2);
                ck_assert_uint_eq(found(1)->irk[0], 8);
                ck_assert_int_eq(count("bonds", ".aside"), 0);
                ck_assert_int_eq(count("", "bonds"), 1 + moved);
            } while (struck);
            ck_assert_int_gt(n, 6);
        }
}
END_TEST

START_TEST(a_file_that_cannot_be_read_for_good_is_set_aside_for_a_new_one)
{
    int aside = 0;
    for (int n = 0; n < 8; n++) {
        struct bl_bond b = bond_of(1, 8);
        prepare(CRASH_REPLACE);
        ck_assert_uint_eq(load(), 2);
        sys.read_error = EIO;
        sys.read_countdown = n; /* of the comparison, then of the look at what is to be replaced */
        bonds_write(&store, now, &b);
        calm();
        ck_assert_uint_eq(bonds_deadline(&store), now + BONDS_COALESCE_US); /* it is written */
        ck_assert_uint_eq(load_anew(), 2);
        ck_assert_uint_eq(found(1)->irk[0], 8);
        aside += count("bonds", ".aside");
    }
    ck_assert_int_eq(aside, 3); /* open, read, read to the end */
}
END_TEST

START_TEST(without_memory_all_is_written_at_once)
{
    struct bl_bond b = bond_of(1, 7);
    prepare(CRASH_NEW);
    sys.no_memory = 1;
    bonds_write(&store, now, &b);
    b.aware = true;
    bonds_write(&store, now, &b);
    calm();
    ck_assert_uint_eq(load_anew(), 2);
    ck_assert(found(1)->aware);
    sys.no_memory = 1;
    bonds_delete(&store, now, &b.identity);
    got.n = 0;
    ck_assert_uint_eq(bonds_load(&store, take, NULL), 0); /* told */
    calm();
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_ptr_nonnull(found(2));
}
END_TEST

START_TEST(writes_and_reads_that_are_cut_short_go_on)
{
    struct bl_bond b = bond_of(1, 7);
    sys.short_writes = true;
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(load_anew(), 1);
    calm();
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_mem_eq(found(1)->irk, b.irk, 16);
}
END_TEST

START_TEST(a_directory_that_cannot_be_written_is_used_when_it_can)
{
    struct bl_bond b = bond_of(1, 7);
    sys = (struct calls){.fault = FAULT_BROKEN, .error = EROFS};
    ck_assert_uint_eq(load(), 0);
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(bonds_deadline(&store), now + BONDS_RETRY_US);
    ck_assert_uint_eq(load(), 1); /* from memory */
    calm();
    bonds_tick(&store, now + BONDS_RETRY_US);
    ck_assert_uint_eq(load_anew(), 1);
}
END_TEST

/* Of strangers who come and go under ever new names. */
START_TEST(on_a_disk_that_fails_deletions_do_not_pile_up)
{
    make_place();
    sys = (struct calls){.fault = FAULT_BROKEN, .error = EIO};
    for (unsigned i = 0; i < BL_MAX_BONDS + 100; i++) {
        struct bl_bond b = bond_of(1, 7);
        b.identity.b[1] = (uint8_t)i;
        b.identity.b[2] = (uint8_t)(i >> 8);
        bonds_write(&store, now, &b);
        bonds_delete(&store, now, &b.identity);
    }
    size_t n = 0;
    list_each(l, next, &store.entries) n++;
    ck_assert_uint_eq(n, BL_MAX_BONDS);
}
END_TEST

/* ---- what is not ours ---- */

START_TEST(what_is_no_bond_is_set_aside_and_never_lost)
{
    struct bl_bond b = bond_of(1, 7), good = bond_of(2, 7);
    char text[BONDS_FILE_MAX], was[2000], is[2000], aside[300];
    size_t whole = bonds_file_format(&b, text);
    static const int lengths[] = {0, 1, 100, -1, 1600};
    bonds_write(&store, now, &good);
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        size_t n = lengths[i] < 0 ? whole - 1 : (size_t)lengths[i];
        memset(was, 'x', sizeof(was));
        memcpy(was, text, n < whole ? n : whole);
        put(file_of(1), was, n);
        ck_assert_uint_eq(load_anew(), 1);
        snprintf(aside, sizeof(aside), "%s.aside%zu", file_of(1), i + 1);
        ck_assert_uint_eq(slurp(aside, is, sizeof(is)), n);
        ck_assert_mem_eq(was, is, n);
        ck_assert_int_ne(access(file_of(1), F_OK), 0);
    }
    ck_assert_uint_eq(load_anew(), 1); /* what is aside stays there */
    ck_assert_int_eq(count("bonds", ".aside"), (int)ARRAY_LEN(lengths));
}
END_TEST

START_TEST(a_bond_under_the_name_of_another_peer_is_set_aside)
{
    struct bl_bond b = bond_of(1, 7);
    char text[BONDS_FILE_MAX];
    size_t n = bonds_file_format(&b, text);
    bonds_write(&store, now, &b);
    put(file_of(2), text, n);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_ptr_nonnull(found(1));
    ck_assert_int_eq(count("bonds", ".aside"), 1);
}
END_TEST

START_TEST(links_fifos_sockets_and_directories_are_set_aside)
{
    struct bl_bond b = bond_of(1, 7);
    char text[BONDS_FILE_MAX], elsewhere[100], is[BONDS_FILE_MAX];
    size_t n = bonds_file_format(&b, text);
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
    put(elsewhere, text, n);
    make_place();
    ck_assert_int_eq(symlink(elsewhere, file_of(1)), 0);
    ck_assert_int_eq(mkdir(file_of(2), 0700), 0);
    ck_assert_int_eq(mkfifo(file_of(3), 0600), 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", file_of(4));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    ck_assert_uint_eq(load_anew(), 0);
    ck_assert_int_eq(count("bonds", ".aside"), 4);
    /* And so they are when one of that name is to be written, or deleted. */
    ck_assert_int_eq(symlink(elsewhere, file_of(1)), 0);
    ck_assert_int_eq(mkdir(file_of(2), 0700), 0);
    bonds_write(&store, now, &b);
    bonds_delete(&store, now, &(struct bl_addr){.type = 0, .b = {2, 2, 3, 4, 5, 0xc6}});
    ck_assert_uint_eq(slurp(elsewhere, is, sizeof(is)), n);
    ck_assert_mem_eq(text, is, n);
    ck_assert_int_eq(count("bonds", ".aside"), 6);
    ck_assert_uint_eq(load_anew(), 1);
}
END_TEST

START_TEST(what_a_crash_left_is_removed_and_what_others_left_is_not)
{
    char path[300];
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    snprintf(path, sizeof(path), "%s.tmp", file_of(1));
    put(path, "bled bond 1\n", 12);
    snprintf(path, sizeof(path), "%s.tmp", file_of(2));
    put(path, "", 0);
    put(place("bonds/controller.tmp"), "x", 1);
    put(place("bonds/notes.tmp"), "mine", 4);
    put(place("bonds/README"), "mine", 4);
    put(place("bonds/public-xyz"), "mine", 4);
    ck_assert_uint_eq(load_anew(), 1);
    ck_assert_int_eq(count("bonds", ".tmp"), 1);
    ck_assert_int_eq(access(place("bonds/notes.tmp"), F_OK), 0);
    ck_assert_int_eq(access(place("bonds/README"), F_OK), 0);
    ck_assert_int_eq(access(place("bonds/public-xyz"), F_OK), 0);
}
END_TEST

START_TEST(something_else_in_place_of_the_directory_is_left_alone)
{
    struct bl_bond b = bond_of(1, 7);
    char elsewhere[100];
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
    make_place();
    ck_assert_int_eq(rename(place("bonds"), elsewhere), 0);
    ck_assert_int_eq(symlink(elsewhere, place("bonds")), 0);
    ck_assert_uint_eq(load_anew(), 0);
    bonds_write(&store, now, &b);
    ck_assert_int_eq(store.dir, -ENOTDIR);
    ck_assert_uint_eq(load(), 1); /* from memory */
    ck_assert_int_eq(unlink(place("bonds")), 0);
    put(place("bonds"), "mine", 4);
    ck_assert_uint_eq(load_anew(), 0);
    ck_assert_int_eq(access(place("bonds"), F_OK), 0);
}
END_TEST

START_TEST(a_directory_that_is_open_to_others_is_closed)
{
    struct stat st;
    make_place();
    ck_assert_int_eq(chmod(place("bonds"), 0755), 0);
    ck_assert_uint_eq(load_anew(), 0);
    ck_assert_int_eq(stat(place("bonds"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0700);
}
END_TEST

/* ---- whose it is ---- */

static size_t serve(const struct bonds_controller *c)
{
    (void)bonds_serve(&store, now, c);
    return load();
}

START_TEST(another_controller_gets_none_of_the_bonds_and_each_its_own_again)
{
    struct bonds_controller other[3] = {ours, ours, ours};
    other[0].address.b[0]++;
    other[1].manufacturer++; /* which claims the same address */
    other[2].hci_version++;
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    for (uint8_t i = 0; i < 3; i++) {
        ck_assert(bonds_serve(&store, now, &other[i]));
        ck_assert_uint_eq(load(), 0);
        b = bond_of((uint8_t)(10 + i), 7);
        bonds_write(&store, now, &b);
    }
    for (int round = 0; round < 3; round++) {
        ck_assert_uint_eq(serve(&ours), 1);
        ck_assert_ptr_nonnull(found(1));
        for (uint8_t i = 0; i < 3; i++) {
            ck_assert_uint_eq(serve(&other[i]), 1);
            ck_assert_ptr_nonnull(found((uint8_t)(10 + i)));
        }
    }
    ck_assert(!bonds_serve(&store, now, &other[2])); /* the same again */
    ck_assert_int_eq(count("", "bonds"), 4);
}
END_TEST

START_TEST(what_waits_goes_to_the_controller_it_is_of)
{
    struct bonds_controller other = ours;
    struct bl_bond b = bond_of(1, 7);
    other.manufacturer++;
    bonds_write(&store, now, &b);
    b.aware = true;
    bonds_write(&store, now, &b);
    ck_assert_uint_eq(serve(&other), 0);
    ck_assert_uint_eq(serve(&ours), 1);
    ck_assert(found(1)->aware);
}
END_TEST

START_TEST(controllers_without_bonds_leave_no_directories)
{
    struct bonds_controller c = ours;
    for (uint16_t i = 0; i < 300; i++) {
        c.manufacturer = i;
        ck_assert_uint_eq(serve(&c), 0);
    }
    ck_assert_int_eq(count("", "bonds"), 0);
    make_place();
    for (uint16_t i = 0; i < 300; i++) {
        c.manufacturer = i;
        (void)bonds_serve(&store, now, &c);
        bonds_delete(&store, now, &(struct bl_addr){.b = {1}});
        ck_assert_uint_eq(load(), 0);
    }
    ck_assert_int_eq(count("", "bonds"), 1);
}
END_TEST

START_TEST(nothing_is_written_where_there_are_no_bonds)
{
    ck_assert_uint_eq(load(), 0);
    bonds_delete(&store, now, &ours.address);
    ck_assert_uint_eq(load_anew(), 0);
    bonds_flush(&store, now);
    ck_assert_int_eq(count("", "bonds"), 0);
    ck_assert_uint_eq(bonds_deadline(&store), UINT64_MAX);
}
END_TEST

START_TEST(any_controller_is_given_them_when_configured_and_keeps_them)
{
    struct bonds_controller other = ours;
    struct bl_bond b = bond_of(1, 7);
    other.hci_version++;
    bonds_write(&store, now, &b);
    bonds_done(&store);
    open_store(true);
    ck_assert(!bonds_serve(&store, now, &other));
    ck_assert_uint_eq(load(), 1);
    bonds_done(&store);
    open_store(false); /* ours, which it is not any more */
    ck_assert_uint_eq(load(), 0);
    ck_assert_uint_eq(serve(&other), 1);
}
END_TEST

START_TEST(bonds_of_nobody_are_given_to_nobody)
{
    struct bl_bond b = bond_of(1, 7);
    bonds_write(&store, now, &b);
    ck_assert_int_eq(unlink(place("bonds/controller")), 0);
    ck_assert_uint_eq(load_anew(), 0);
    ck_assert_int_eq(access(place("bonds.unknown"), F_OK), 0);
    bonds_write(&store, now, &b);
    put(place("bonds/controller"), "bled controller 1\n", 18);
    ck_assert_uint_eq(load_anew(), 0);
    ck_assert_int_eq(access(place("bonds.unknown.1"), F_OK), 0);
    /* Put back by hand, and allowed. */
    bonds_done(&store);
    char command[300];
    snprintf(command, sizeof(command), "cd %s/hci0 && mv bonds.unknown.1 bonds", dir);
    ck_assert_int_eq(system(command), 0);
    open_store(true);
    ck_assert_uint_eq(load(), 1);
    ck_assert_int_eq(access(place("bonds/controller.aside1"), F_OK), 0);
}
END_TEST

/* ---- many ---- */

START_TEST(a_thousand_bonds_are_loaded_quickly_and_no_more_than_fit)
{
    struct bl_bond b;
    char text[BONDS_FILE_MAX], path[300], name[BONDS_FILE_NAME_MAX];
    make_place();
    for (unsigned i = 0; i < BL_MAX_BONDS + 20; i++) {
        b = bond_of((uint8_t)(i & 0xfe), 7);
        b.identity.b[1] = (uint8_t)(i >> 8);
        b.identity.b[2] = (uint8_t)(i & 1);
        b.last_seen = i;
        for (b.n_cccds = 0; b.n_cccds < 4; b.n_cccds++)
            b.cccds[b.n_cccds] =
                (struct bl_bond_cccd){.handle = (uint16_t)(b.n_cccds + 1), .bits = 1};
        snprintf(path, sizeof(path), "%s/%s", place("bonds"), bonds_file_name(&b.identity, name));
        put(path, text, bonds_file_format(&b, text));
        if (i + 1 != 1000)
            continue;
        calm();
        uint64_t before = clock_us(CLOCK_PROCESS_CPUTIME_ID);
        ck_assert_uint_eq(load_anew(), 1000);
        uint64_t took = clock_us(CLOCK_PROCESS_CPUTIME_ID) - before;
        printf("1000 bonds: %.1f ms of processor time, %u fsyncs\n", (double)took / 1e3, sys.syncs);
        ck_assert_uint_eq(sys.syncs, 0);
        ck_assert_uint_lt(took, SECOND);
    }
    ck_assert_uint_eq(load_anew(), BL_MAX_BONDS);
    ck_assert_int_eq(count("bonds", "-"), BL_MAX_BONDS + 20); /* none is deleted for that */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/bonds");
    TCase *c = tcase_create("when");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, a_new_bond_is_on_the_disk_at_once_and_there_again);
    tcase_add_test(c, a_deletion_is_on_the_disk_at_once);
    tcase_add_test(c, other_keys_are_written_at_once_and_the_same_not_at_all);
    tcase_add_test(c, a_subscription_is_written_at_once_and_many_leave_time_between);
    tcase_add_test(c, pairings_without_end_leave_time_between_too);
    tcase_add_test(c, a_change_that_never_ends_is_written_now_and_then);
    tcase_add_test(c, a_higher_counter_of_the_peer_is_on_the_disk_at_once);
    tcase_add_test(c, counters_do_not_hurry_a_disk_that_fails);
    tcase_add_test(c, our_own_counter_is_never_stored_behind_what_was_used);
    tcase_add_test(c, the_end_of_a_link_and_of_the_process_write_what_waits);
    tcase_add_test(c, what_can_wait_is_written_one_a_turn_and_leaves_time_between);
    tcase_add_test(c, loading_gives_what_waits_and_what_is_deleted_not);
    tcase_add_test(c, a_bond_that_comes_after_a_deletion_that_failed_is_there);
    tcase_add_test(c, who_was_seen_last_is_given_last);
    tcase_add_test(c, a_bond_that_nobody_takes_stays_in_its_file);
    tcase_add_test(c, a_bond_that_is_not_as_it_should_be_does_not_replace_one);
    suite_add_tcase(s, c);
    c = tcase_create("faults");
    tcase_set_timeout(c, 280);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_loop_test(c, a_kill_at_any_step_leaves_the_old_bond_or_the_new_one_whole, 0,
                        CRASH_KINDS);
    tcase_add_test(c, a_kill_in_the_start_after_a_kill_is_no_different);
    tcase_add_loop_test(c, a_failure_at_any_step_loses_nothing_and_is_made_up_for, 0, CRASH_KINDS);
    tcase_add_test(c, a_failure_to_read_moves_and_loses_nothing);
    tcase_add_test(c, a_file_that_cannot_be_read_for_good_is_set_aside_for_a_new_one);
    tcase_add_test(c, without_memory_all_is_written_at_once);
    tcase_add_test(c, writes_and_reads_that_are_cut_short_go_on);
    tcase_add_test(c, a_directory_that_cannot_be_written_is_used_when_it_can);
    tcase_add_test(c, on_a_disk_that_fails_deletions_do_not_pile_up);
    suite_add_tcase(s, c);
    c = tcase_create("foreign");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, what_is_no_bond_is_set_aside_and_never_lost);
    tcase_add_test(c, a_bond_under_the_name_of_another_peer_is_set_aside);
    tcase_add_test(c, links_fifos_sockets_and_directories_are_set_aside);
    tcase_add_test(c, what_a_crash_left_is_removed_and_what_others_left_is_not);
    tcase_add_test(c, something_else_in_place_of_the_directory_is_left_alone);
    tcase_add_test(c, a_directory_that_is_open_to_others_is_closed);
    tcase_add_test(c, another_controller_gets_none_of_the_bonds_and_each_its_own_again);
    tcase_add_test(c, what_waits_goes_to_the_controller_it_is_of);
    tcase_add_test(c, controllers_without_bonds_leave_no_directories);
    tcase_add_test(c, nothing_is_written_where_there_are_no_bonds);
    tcase_add_test(c, any_controller_is_given_them_when_configured_and_keeps_them);
    tcase_add_test(c, bonds_of_nobody_are_given_to_nobody);
    tcase_add_test(c, a_thousand_bonds_are_loaded_quickly_and_no_more_than_fit);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
