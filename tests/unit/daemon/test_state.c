/* SPDX-License-Identifier: MIT */
/*
 * state: an identity is the same after every restart, whole after every crash, and nobody else's
 * file is lost. System calls are wrapped: the Nth of them fails, or is where the process ends.
 */
#include "base/cleanup.h"
#include "log.h"
#include "state.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/bled-test-state.XXXXXX";
static int countdown = -1; /* calls until `error` happens; -1: never */
static int error;          /* 0: the process ends */
static bool torn;          /* a write that is cut by the end writes half */

static bool strikes(bool is_write)
{
    if (countdown < 0 || countdown-- > 0)
        return false;
    if (error == 0 && !(torn && is_write))
        _exit(42);
    errno = error;
    return true;
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_renameat(int a, const char *from, int b, const char *to);
int __wrap_renameat(int a, const char *from, int b, const char *to);
int __real_openat64(int at, const char *path, int flags, ...);
int __wrap_openat64(int at, const char *path, int flags, ...);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
    if (fd == STDERR_FILENO || !strikes(true))
        return __real_write(fd, p, n);
    if (torn && error == 0) {
        ssize_t ignored = __real_write(fd, p, n / 2);
        (void)ignored;
        _exit(42);
    }
    return -1;
}

int __wrap_fsync(int fd)
{
    return strikes(false) ? -1 : __real_fsync(fd);
}

int __wrap_renameat(int a, const char *from, int b, const char *to)
{
    return strikes(false) ? -1 : __real_renameat(a, from, b, to);
}

int __wrap_openat64(int at, const char *path, int flags, ...)
{
    va_list ap;
    va_start(ap, flags);
    mode_t mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return strikes(false) ? -1 : __real_openat64(at, path, flags, mode);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    return strikes(false) ? -1 : __real_mkdir(path, mode);
}

static void set_up(void)
{
    strcpy(dir + sizeof(dir) - 7, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    log_set_target("null");
}

static void tear_down(void)
{
    char command[128];
    countdown = -1;
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

static char *place(const char *name)
{
    static char path[256];
    snprintf(path, sizeof(path), "%s/hci0/%s", dir, name);
    return path;
}

static size_t slurp(const char *name, char *out, size_t n)
{
    FILE *f = fopen(place(name), "r");
    if (!f)
        return 0;
    size_t got = fread(out, 1, n, f);
    fclose(f);
    return got;
}

static void put(const char *bytes, size_t n)
{
    char path[300];
    snprintf(path, sizeof(path), "%s/hci0", dir);
    ck_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
    FILE *f = fopen(place("identity"), "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void check_good(const struct state_identity *id)
{
    static const uint8_t zero[16];
    ck_assert(bl_addr_is_static(&id->static_addr));
    ck_assert(memcmp(id->irk, zero, 16) != 0);
}

START_TEST(an_identity_is_made_once_and_kept)
{
    struct state_identity a, b, other;
    struct stat st;
    ck_assert_int_eq(state_identity(dir, "hci0", &a), 0);
    check_good(&a);
    ck_assert_int_eq(state_identity(dir, "hci0", &b), 0);
    ck_assert_mem_eq(&a, &b, sizeof(a));
    ck_assert_int_eq(state_identity(dir, "hci1", &other), 0);
    ck_assert_mem_ne(a.irk, other.irk, 16);
    ck_assert_int_eq(stat(place("identity"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0600);
    ck_assert_int_ne(access(place("identity.tmp"), F_OK), 0);
}
END_TEST

START_TEST(the_file_reads_as_documented)
{
    const char text[] = "bled identity 1\nstatic-address C0:11:22:33:44:55\n"
                        "irk 000102030405060708090a0b0c0d0e0f\nend\n";
    struct state_identity id;
    char address[ADDR_TEXT_LEN];
    put(text, strlen(text));
    ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
    ck_assert_str_eq(bl_addr_format(&id.static_addr, address), "C0:11:22:33:44:55");
    for (uint8_t i = 0; i < 16; i++)
        ck_assert_uint_eq(id.irk[i], i);
}
END_TEST

START_TEST(what_is_no_identity_is_set_aside_and_never_lost)
{
    const char good[] = "bled identity 1\nstatic-address C0:11:22:33:44:55\n"
                        "irk 000102030405060708090a0b0c0d0e0f\nend\n";
    char aside[32], was[200], now[200];
    struct state_identity id, again;
    int n = 1;
    for (size_t len = 0; len <= sizeof(good) + 3; len += 7, n++) {
        memset(was, 'x', sizeof(was));
        memcpy(was, good, len < sizeof(good) ? len : 20);
        put(was, len);
        ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
        check_good(&id);
        snprintf(aside, sizeof(aside), "identity.aside%d", n);
        ck_assert_uint_eq(slurp(aside, now, sizeof(now)), len);
        ck_assert_mem_eq(was, now, len);
        ck_assert_int_eq(state_identity(dir, "hci0", &again), 0);
        ck_assert_mem_eq(&id, &again, sizeof(id));
    }
}
END_TEST

START_TEST(addresses_that_are_not_static_random_are_set_aside)
{
    static const char *const bad[] = {"00:11:22:33:44:55", "40:11:22:33:44:55",
                                      "80:11:22:33:44:55", "C0:00:00:00:00:00",
                                      "FF:FF:FF:FF:FF:FF", "C0:11:22:33:44:5G"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char text[200];
        struct state_identity id;
        int n = snprintf(text, sizeof(text),
                         "bled identity 1\nstatic-address %s\n"
                         "irk 000102030405060708090a0b0c0d0e0f\nend\n",
                         bad[i]);
        put(text, (size_t)n);
        ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
        check_good(&id);
    }
    ck_assert_int_eq(access(place("identity.aside6"), F_OK), 0);
}
END_TEST

/* Runs state_identity() in a child that ends at call n. True: it ended there. */
static bool ended_at(int n)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct state_identity id;
        countdown = n;
        _exit(state_identity(dir, "hci0", &id) == 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert(WIFEXITED(status));
    ck_assert(WEXITSTATUS(status) == 42 || WEXITSTATUS(status) == 0);
    return WEXITSTATUS(status) == 42;
}

START_TEST(a_crash_anywhere_leaves_a_whole_file_or_none)
{
    for (int half = 0; half < 2; half++) {
        int n = 0;
        bool ended;
        error = 0;
        do {
            char text[200], kept[200];
            struct state_identity id, again;
            torn = half == 1;
            ended = ended_at(n++);
            torn = false;
            size_t len = slurp("identity", text, sizeof(text));
            ck_assert(len == 0 || len == 90);
            ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
            check_good(&id);
            ck_assert_int_ne(access(place("identity.aside1"), F_OK), 0);
            ck_assert_uint_eq(slurp("identity", kept, sizeof(kept)), 90);
            if (len > 0)
                ck_assert_mem_eq(text, kept, 90);
            ck_assert_int_eq(state_identity(dir, "hci0", &again), 0);
            ck_assert_mem_eq(&id, &again, sizeof(id));
            ck_assert_int_eq(unlink(place("identity")), 0);
        } while (ended);
        ck_assert_int_ge(n, half ? 2 : 7);
    }
}
END_TEST

START_TEST(a_failure_anywhere_gives_an_identity_for_this_run)
{
    static const int errors[] = {ENOSPC, EIO, EACCES, EROFS};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        int r, n = 0;
        do {
            struct state_identity id;
            error = errors[i];
            countdown = n++;
            r = state_identity(dir, "hci0", &id);
            countdown = -1;
            check_good(&id);
            char text[200];
            size_t len = slurp("identity", text, sizeof(text));
            ck_assert(len == 0 || len == 90);
            ck_assert(r == 0 || r == -errors[i]);
            ck_assert_int_ne(access(place("identity.tmp"), F_OK), 0);
            (void)unlink(place("identity"));
        } while (r != 0);
        ck_assert_int_ge(n, 7);
    }
}
END_TEST

START_TEST(an_identity_that_cannot_be_read_is_not_replaced)
{
    struct state_identity first, now;
    char before[200], after[200];
    ck_assert_int_eq(state_identity(dir, "hci0", &first), 0);
    size_t n = slurp("identity", before, sizeof(before));
    error = EIO;
    countdown = 2; /* both mkdir() have passed: the opening */
    ck_assert_int_eq(state_identity(dir, "hci0", &now), -EIO);
    check_good(&now);
    ck_assert_uint_eq(slurp("identity", after, sizeof(after)), n);
    ck_assert_mem_eq(before, after, n);
}
END_TEST

START_TEST(links_and_directories_in_its_place_are_set_aside)
{
    struct state_identity id;
    char path[300];
    snprintf(path, sizeof(path), "%s/hci0", dir);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_int_eq(symlink("/etc/passwd", place("identity")), 0);
    ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
    ck_assert_int_eq(unlink(place("identity")), 0);
    ck_assert_int_eq(mkdir(place("identity"), 0700), 0);
    ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
    ck_assert_int_eq(unlink(place("identity")), 0);
    ck_assert_int_eq(mkfifo(place("identity"), 0600), 0);
    ck_assert_int_eq(state_identity(dir, "hci0", &id), 0);
    ck_assert_int_eq(access(place("identity.aside3"), F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/state");
    TCase *c = tcase_create("state");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, an_identity_is_made_once_and_kept);
    tcase_add_test(c, the_file_reads_as_documented);
    tcase_add_test(c, what_is_no_identity_is_set_aside_and_never_lost);
    tcase_add_test(c, addresses_that_are_not_static_random_are_set_aside);
    tcase_add_test(c, a_crash_anywhere_leaves_a_whole_file_or_none);
    tcase_add_test(c, a_failure_anywhere_gives_an_identity_for_this_run);
    tcase_add_test(c, an_identity_that_cannot_be_read_is_not_replaced);
    tcase_add_test(c, links_and_directories_in_its_place_are_set_aside);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
