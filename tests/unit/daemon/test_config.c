/* SPDX-License-Identifier: MIT */
/* config: each key, each error with its file and line, and which of several sections wins. */
#include "base/cleanup.h"
#include "config.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/bled-test-config.XXXXXX";
static char said[8192];
static struct config config;

static void report(void *ctx, const char *text)
{
    (void)ctx;
    ck_assert_uint_lt(strlen(said) + strlen(text) + 2, sizeof(said));
    strcat(said, text);
    strcat(said, "\n");
}

static void set_up(void)
{
    strcpy(path + sizeof(path) - 7, "XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    close(fd);
    config_init(&config);
}

static void tear_down(void)
{
    config_done(&config);
    unlink(path);
}

static int load_bytes(const void *bytes, size_t n)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    fclose(f);
    said[0] = '\0';
    config_done(&config);
    config_init(&config);
    int r = config_load(&config, path, report, NULL);
    return r == 0 ? config_finish(&config, report, NULL) : r;
}

static int load(const char *text)
{
    return load_bytes(text, strlen(text));
}

START_TEST(every_key_is_taken)
{
    ck_assert_msg(load("\xef\xbb\xbf# comment\n"
                       "; comment\n"
                       "[daemon]\n"
                       "adapter = hci1\n"
                       "adapter=unix:/tmp/a=b\n"
                       "bus = unix:path=/run/bus,guid=1\n"
                       "bus-name = org.example.B-1_x\n"
                       "state-dir = /var/lib/other\n"
                       "log-level = debug\n"
                       "btsnoop = /tmp/x.btsnoop   ; inline\n"
                       "\n"
                       "[adapter]\n"
                       "active = yes\n"
                       "addr-mode = rpa\n"
                       "gap-name = Gerät 7\n"
                       "appearance = 0x0340\n"
                       "rx-buf = 4096\n"
                       "mtu = 517\n"
                       "bond = no\n"
                       "mitm = true\n"
                       "le-secure = on\n"
                       "io = 4\n"
                       "pairable = 0\n"
                       "pairable-timeout = 60\n"
                       "hci-command = yes\n"
                       "rpa-timeout = 600\n"
                       "accept-min-interval-us = 7501\n"
                       "accept-max-interval-us = 99999\n"
                       "accept-max-latency = 4\n"
                       "accept-max-timeout-ms = 6009\n"
                       "gap-name-writable = yes\n"
                       "pair-again = yes\n"
                       "resolving-list = no\n"
                       "privacy-mode = network\n"
                       "bonds-any-controller = yes\n"
                       "min-key-size = 7\n"
                       "preferred-min-interval-us = 15001\n"
                       "preferred-max-interval-us = 31249\n"
                       "preferred-latency = 499\n"
                       "preferred-timeout-ms = 32000\n") == 0,
                  "%s", said);
    ck_assert(config.adapter.host.pair_again);
    ck_assert(!config.adapter.host.resolving_list);
    ck_assert(config.adapter.host.network_privacy);
    ck_assert(config.adapter.bonds_any_controller);
    ck_assert_uint_eq(config.n_specs, 2);
    ck_assert_str_eq(config.specs[0].name, "hci1");
    ck_assert_str_eq(config.specs[1].name, "hci0");
    ck_assert_str_eq(config.specs[1].path, "/tmp/a=b");
    ck_assert_str_eq(config.bus, "unix:path=/run/bus,guid=1");
    ck_assert_str_eq(config.bus_name, "org.example.B-1_x");
    ck_assert_str_eq(config.state_dir, "/var/lib/other");
    ck_assert_str_eq(config.log_level, "debug");
    ck_assert_str_eq(config.btsnoop, "/tmp/x.btsnoop");
    struct config_adapter a = config_adapter(&config, "hci0");
    ck_assert(a.bus.active && a.bus.has_addr_mode && !a.bus.bond && a.bus.mitm && a.bus.le_secure);
    ck_assert(!a.bus.pairable && a.bus.hci_command);
    ck_assert_uint_eq(a.bus.addr_mode, 2);
    ck_assert_str_eq(a.bus.gap_name, "Gerät 7");
    ck_assert_uint_eq(a.bus.appearance, 0x340);
    ck_assert_uint_eq(a.bus.rx_buf, 4096);
    ck_assert_uint_eq(a.bus.mtu, 517);
    ck_assert_uint_eq(a.bus.io, 4);
    ck_assert_uint_eq(a.bus.pairable_timeout, 60);
    ck_assert_uint_eq(a.host.rpa_timeout_s, 600);
    ck_assert_uint_eq(a.host.accept_min_interval, 7);  /* 8.75 ms: not below what was said */
    ck_assert_uint_eq(a.host.accept_max_interval, 79); /* 98.75 ms */
    ck_assert_uint_eq(a.host.accept_max_latency, 4);
    ck_assert_uint_eq(a.host.accept_max_timeout, 600);
    ck_assert(a.host.name_writable);
    ck_assert_uint_eq(a.host.min_key_size, 7);
    ck_assert_uint_eq(a.host.preferred_min, 13); /* 16.25 ms */
    ck_assert_uint_eq(a.host.preferred_max, 24); /* 30 ms */
    ck_assert_uint_eq(a.host.preferred_latency, 499);
    ck_assert_uint_eq(a.host.preferred_timeout, 3200);
}
END_TEST

START_TEST(a_byte_order_mark_and_any_case_of_yes_and_no_are_taken)
{
    ck_assert_msg(load("\xef\xbb\xbf[adapter]\nactive = YES\nbond = False\nmitm = On\n") == 0, "%s",
                  said);
    struct config_adapter a = config_adapter(&config, "hci0");
    ck_assert(a.bus.active && !a.bus.bond && a.bus.mitm);
    ck_assert_int_eq(load("\n\xef\xbb\xbf[adapter]\n"), -EINVAL);
}
END_TEST

START_TEST(a_semicolon_after_a_blank_begins_a_comment_and_a_hash_does_not)
{
    ck_assert_msg(load("[adapter]\n# one\n  # two\n; three\ngap-name = a;b #c ; d\n") == 0, "%s",
                  said);
    ck_assert_str_eq(config_adapter(&config, "hci0").bus.gap_name, "a;b #c");
}
END_TEST

START_TEST(an_empty_file_gives_the_defaults_of_the_api)
{
    ck_assert_int_eq(load(""), 0);
    ck_assert_uint_eq(config.n_specs, 1);
    ck_assert_str_eq(config.specs[0].text, "hci0");
    ck_assert_ptr_null(config.bus);
    struct config_adapter a = config_adapter(&config, "hci0");
    ck_assert_str_eq(a.bus.gap_name, "bled");
    ck_assert(!a.bus.has_addr_mode && !a.bus.active && !a.bus.hci_command && a.bus.pairable);
    ck_assert(a.bus.bond && !a.bus.mitm && !a.bus.le_secure);
    ck_assert(!a.host.pair_again && !a.bonds_any_controller);
    ck_assert_uint_eq(a.bus.rx_buf, 65536);
    ck_assert_uint_eq(a.bus.mtu, 256);
    ck_assert_uint_eq(a.bus.io, 3);
    ck_assert_uint_eq(a.bus.pairable_timeout, 0);
    ck_assert(config.adapter.host.resolving_list && !config.adapter.host.network_privacy);
    ck_assert_uint_eq(config.adapter.host.rpa_timeout_s, 0); /* 900 */
}
END_TEST

START_TEST(sections_of_one_adapter_win_wherever_they_stand)
{
    ck_assert_msg(load("[adapter hci1]\nmtu = 100\n[adapter]\nmtu = 50\ngap-name = all\n"
                       "[daemon]\nadapter = hci0\nadapter = hci1\n") == 0,
                  "%s", said);
    ck_assert_uint_eq(config_adapter(&config, "hci0").bus.mtu, 50);
    ck_assert_uint_eq(config_adapter(&config, "hci1").bus.mtu, 100);
    ck_assert_str_eq(config_adapter(&config, "hci1").bus.gap_name, "all");
}
END_TEST

START_TEST(mistakes_name_file_and_line)
{
    static const struct {
        const char *text;
        unsigned line;
        const char *about;
    } rows[] = {
        {"[daemon]\nbusname = x.y\n", 2, "busname"},
        {"[daemon]\nmtu = 23\n", 2, "mtu"},
        {"[adapter]\nbus = system\n", 2, "bus"},
        {"\n\n[deamon]\n", 3, "deamon"},
        {"[adapter hci]\n", 1, "adapter hci"},
        {"[adapter unix:/x]\n", 1, "unix"},
        {"[daemon\nbus = system\n", 1, "section"},
        {"bus = system\n", 1, "section"},
        {"[daemon]\n# fine\nbus\n", 3, "key = value"},
        {"[daemon]\nbus =\n", 2, "system"},
        {"[daemon]\nbus = both\n", 2, "system"},
        {"[daemon]\nbus = system\nbus = session\n", 3, "twice"},
        {"[daemon]\n  bus = both\n", 2, "system"},
        {"[daemon]\nbus-name = bled\n", 2, "org.bled"},
        {"[daemon]\nbus-name = org..bled\n", 2, "org.bled"},
        {"[daemon]\nbus-name = org.1bled\n", 2, "org.bled"},
        {"[daemon]\nbus-name = org.bled.\n", 2, "org.bled"},
        {"[daemon]\nlog-level = loud\n", 2, "debug"},
        {"[daemon]\nadapter = usb0\n", 2, "hciN"},
        {"[adapter]\nactive = maybe\n", 2, "active = maybe: yes or no"},
        {"[daemon]\nadapter = tty:/dev/a,12345\n", 2, "baud"},
        {"[adapter]\naddr-mode = 0\n", 2, "static"},
        {"[adapter]\ngap-name = \xff\xfe\n", 2, "UTF-8"},
        {"[adapter]\ngap-name = \xed\xa0\x80\n", 2, "UTF-8"},
        {"[adapter]\nappearance = 65536\n", 2, "65535"},
        {"[adapter]\nappearance = -1\n", 2, "65535"},
        {"[adapter]\nappearance = 1k\n", 2, "65535"},
        {"[adapter]\nappearance = 99999999999999999999\n", 2, "65535"},
        {"[adapter]\nrx-buf = 100\n", 2, "512"},
        {"[adapter]\nmtu = 22\n", 2, "23"},
        {"[adapter]\nmtu = 518\n", 2, "517"},
        {"[adapter]\nio = 5\n", 2, "4"},
        {"[adapter]\nrpa-timeout = 0\n", 2, "41400"},
        {"[adapter]\nrpa-timeout = 41401\n", 2, "41400"},
        {"[adapter]\nprivacy-mode = yes\n", 2, "device or network"},
        {"[adapter]\naccept-min-interval-us = 7499\n", 2, "7500"},
        {"[adapter]\naccept-max-interval-us = 10000\naccept-min-interval-us = 20000\n", 3, "more"},
        {"[adapter]\naccept-max-latency = 500\n", 2, "499"},
        {"[adapter]\naccept-max-timeout-ms = 99\n", 2, "100"},
        {"[adapter hci3]\nmtu = 1\n", 2, "23"},
        {"[adapter hci3]\nmtu = 23\nmtu = 24\n", 3, "twice"},
        {"[adapter]\nmtu = 23\nmtu = 24\n", 3, "twice"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char where[64];
        snprintf(where, sizeof(where), "%s:%u: ", path, rows[i].line);
        ck_assert_msg(load(rows[i].text) == -EINVAL, "taken: %s", rows[i].text);
        ck_assert_msg(strncmp(said, where, strlen(where)) == 0, "%s: %s", rows[i].text, said);
        ck_assert_msg(strstr(said, rows[i].about) != NULL, "%s: %s", rows[i].text, said);
    }
}
END_TEST

START_TEST(all_mistakes_are_told)
{
    ck_assert_int_eq(load("[daemon]\nx = 1\n[nothing]\ny = 1\n[adapter]\nmtu = 1\nz = 2\n"),
                     -EINVAL);
    int lines = 0;
    for (const char *p = said; *p; p++)
        lines += *p == '\n';
    ck_assert_msg(lines == 4, "%s", said); /* y stands in a section that was told already */
}
END_TEST

START_TEST(what_is_no_text_file_is_told)
{
    char line[5000] = "[daemon]\n# ";
    memset(line + 11, 'x', 4900);
    strcpy(line + 4911, "\n");
    ck_assert_int_eq(load(line), -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, ":2: the line is too long"));
    ck_assert_int_eq(load_bytes("[daemon]\nbus\0 = system\n", 23), -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, ":2: a NUL byte"));
}
END_TEST

START_TEST(adapters_given_twice_are_told)
{
    ck_assert_int_eq(load("[daemon]\nadapter = hci0\nadapter = hci0\n"), -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, ":3: adapter = hci0: that adapter is given twice"));
    ck_assert_ptr_null(config_set(&config, "adapter", "unix:/a"));
    ck_assert_ptr_nonnull(config_set(&config, "adapter", "unix:/a"));
}
END_TEST

START_TEST(sections_that_contradict_each_other_are_told)
{
    ck_assert_int_eq(load("[adapter hci0]\naccept-min-interval-us = 50000\n"
                          "[adapter]\naccept-max-interval-us = 10000\n"),
                     -EINVAL);
    ck_assert_ptr_nonnull(strstr(said, "[adapter hci0] with [adapter]"));
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_an_error)
{
    unlink(path);
    said[0] = '\0';
    ck_assert_int_eq(config_load(&config, path, report, NULL), -ENOENT);
    ck_assert_int_eq(config_load(&config, "/tmp", report, NULL), -EISDIR);
}
END_TEST

START_TEST(the_command_line_has_the_same_rules)
{
    ck_assert_ptr_null(config_set(&config, "bus", "session"));
    ck_assert_ptr_nonnull(config_set(&config, "bus", "x"));
    ck_assert_str_eq(config.bus, "session");
    for (int i = 0; i < SPEC_MAX; i++) {
        char text[16];
        snprintf(text, sizeof(text), "hci%d", i);
        ck_assert_ptr_null(config_set(&config, "adapter", text));
    }
    ck_assert_ptr_nonnull(config_set(&config, "adapter", "hci99"));
}
END_TEST

START_TEST(the_shipped_file_is_good)
{
    FILE *f = fopen(BLED_SHIPPED_CONFIG, "r");
    ck_assert_ptr_nonnull(f);
    static char text[16384], bare[16384];
    size_t n = fread(text, 1, sizeof(text) - 1, f), out = 0;
    fclose(f);
    text[n] = '\0';
    ck_assert_msg(load(text) == 0, "%s", said);
    /* And so is every line that it shows as a comment: "#key = value". */
    for (size_t i = 0; i < n; i++)
        if (!(text[i] == '#' && (i == 0 || text[i - 1] == '\n') && text[i + 1] != ' ' &&
              text[i + 1] != '\n'))
            bare[out++] = text[i];
    bare[out] = '\0';
    ck_assert_msg(load(bare) == 0, "%s", said);
    ck_assert_ptr_nonnull(config.bus);
    ck_assert_ptr_nonnull(config.btsnoop);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/config");
    TCase *c = tcase_create("config");
    tcase_add_checked_fixture(c, set_up, tear_down);
    tcase_add_test(c, every_key_is_taken);
    tcase_add_test(c, a_byte_order_mark_and_any_case_of_yes_and_no_are_taken);
    tcase_add_test(c, a_semicolon_after_a_blank_begins_a_comment_and_a_hash_does_not);
    tcase_add_test(c, an_empty_file_gives_the_defaults_of_the_api);
    tcase_add_test(c, sections_of_one_adapter_win_wherever_they_stand);
    tcase_add_test(c, mistakes_name_file_and_line);
    tcase_add_test(c, all_mistakes_are_told);
    tcase_add_test(c, what_is_no_text_file_is_told);
    tcase_add_test(c, adapters_given_twice_are_told);
    tcase_add_test(c, sections_that_contradict_each_other_are_told);
    tcase_add_test(c, a_file_that_cannot_be_read_is_an_error);
    tcase_add_test(c, the_command_line_has_the_same_rules);
    tcase_add_test(c, the_shipped_file_is_good);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
