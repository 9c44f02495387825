/* SPDX-License-Identifier: MIT */
/* bonds_file: one text for each bond, and nothing but such texts is read. */
#include "base/cleanup.h"
#include "bonds_file.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* gzip's CRC-32, bit by bit; `printf %s "$text" | gzip -c | tail -c8 | head -c4` gives the same. */
static uint32_t crc_of(const char *text, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint8_t)text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
    }
    return ~crc;
}

/* body and the last line that belongs to it. */
static size_t seal(const char *body, char out[static 4096])
{
    return (size_t)snprintf(out, 4096, "%send %08x\n", body, crc_of(body, strlen(body)));
}

static const char documented[] =
    "bled bond 1\n"
    "identity random C0:11:22:33:44:55\n"
    "authenticated yes\n"
    "secure-connections yes\n"
    "local-ltk 000102030405060708090a0b0c0d0e0f 16 0000 0000000000000000\n"
    "peer-ltk none 0 0000 0000000000000000\n"
    "irk 101112131415161718191a1b1c1d1e1f\n"
    "local-csrk none\n"
    "peer-csrk none\n"
    "local-counter 0\n"
    "peer-counter 0\n"
    "last-seen 1763741462\n"
    "client-features 01\n"
    "aware yes\n"
    "db-hash 202122232425262728292a2b2c2d2e2f\n"
    "cccds 1\n"
    "cccd 0012 1\n";

static void fill(uint8_t *p, size_t n, uint8_t from)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(from + i);
}

/* Everything that a bond can have. */
static struct bl_bond full_bond(void)
{
    struct bl_bond b = {
        .identity = {ADDR_PUBLIC, {0x55, 0x44, 0x33, 0x22, 0x11, 0x00}},
        .authenticated = true,
        .has_local_ltk = true,
        .has_peer_ltk = true,
        .has_irk = true,
        .has_local_csrk = true,
        .has_peer_csrk = true,
        .local_ltk = {.size = 16, .ediv = 0xfedc},
        .peer_ltk = {.size = 7, .ediv = 0x0123},
        .local_counter = UINT32_MAX,
        .peer_counter = 7,
        .last_seen = UINT64_MAX,
        .client_features = 0xa5,
        .aware = true,
        .n_cccds = BL_BOND_CCCDS,
    };
    fill(b.local_ltk.key, 16, 0x10);
    fill(b.peer_ltk.key, 7, 0x80);
    fill(b.local_ltk.rand, 8, 0x30);
    fill(b.peer_ltk.rand, 8, 0x40);
    fill(b.irk, 16, 0x50);
    fill(b.local_csrk, 16, 0x60);
    fill(b.peer_csrk, 16, 0x70);
    fill(b.db_hash, 16, 0xf8);
    for (uint16_t i = 0; i < BL_BOND_CCCDS; i++)
        b.cccds[i] = (struct bl_bond_cccd){.handle = (uint16_t)(0xffff - 63 + i),
                                           .bits = (uint8_t)(1 + i % 3)};
    return b;
}

static struct bl_bond small_bond(void)
{
    struct bl_bond b = {.identity = {ADDR_RANDOM, {1, 2, 3, 4, 5, 0xc6}},
                        .secure_connections = true,
                        .has_peer_ltk = true,
                        .peer_ltk = {.size = 16}};
    fill(b.peer_ltk.key, 16, 1);
    return b;
}

static void check_same(const struct bl_bond *a, const struct bl_bond *b)
{
    ck_assert(bl_addr_eq(&a->identity, &b->identity));
    ck_assert_int_eq(a->authenticated, b->authenticated);
    ck_assert_int_eq(a->secure_connections, b->secure_connections);
    ck_assert_int_eq(a->has_local_ltk, b->has_local_ltk);
    ck_assert_int_eq(a->has_peer_ltk, b->has_peer_ltk);
    ck_assert_int_eq(a->has_irk, b->has_irk);
    ck_assert_int_eq(a->has_local_csrk, b->has_local_csrk);
    ck_assert_int_eq(a->has_peer_csrk, b->has_peer_csrk);
    const struct bl_ltk *ltks[][2] = {{&a->local_ltk, &b->local_ltk}, {&a->peer_ltk, &b->peer_ltk}};
    for (int i = 0; i < 2; i++) {
        ck_assert_mem_eq(ltks[i][0]->key, ltks[i][1]->key, 16);
        ck_assert_uint_eq(ltks[i][0]->size, ltks[i][1]->size);
        ck_assert_uint_eq(ltks[i][0]->ediv, ltks[i][1]->ediv);
        ck_assert_mem_eq(ltks[i][0]->rand, ltks[i][1]->rand, 8);
    }
    ck_assert_mem_eq(a->irk, b->irk, 16);
    ck_assert_mem_eq(a->local_csrk, b->local_csrk, 16);
    ck_assert_mem_eq(a->peer_csrk, b->peer_csrk, 16);
    ck_assert_uint_eq(a->local_counter, b->local_counter);
    ck_assert_uint_eq(a->peer_counter, b->peer_counter);
    ck_assert_uint_eq(a->last_seen, b->last_seen);
    ck_assert_uint_eq(a->client_features, b->client_features);
    ck_assert_int_eq(a->aware, b->aware);
    ck_assert_mem_eq(a->db_hash, b->db_hash, 16);
    ck_assert_uint_eq(a->n_cccds, b->n_cccds);
    for (size_t i = 0; i < a->n_cccds; i++) {
        ck_assert_uint_eq(a->cccds[i].handle, b->cccds[i].handle);
        ck_assert_uint_eq(a->cccds[i].bits, b->cccds[i].bits);
    }
}

START_TEST(everything_of_a_bond_comes_back)
{
    const struct bl_bond bonds[] = {full_bond(), small_bond()};
    for (size_t i = 0; i < ARRAY_LEN(bonds); i++) {
        char text[BONDS_FILE_MAX];
        struct bl_bond back;
        size_t n = bonds_file_format(&bonds[i], text);
        ck_assert_uint_gt(n, 0);
        ck_assert(bonds_file_parse(text, n, &back));
        check_same(&bonds[i], &back);
    }
}
END_TEST

START_TEST(the_text_is_as_documented)
{
    char text[4096], again[BONDS_FILE_MAX];
    struct bl_bond b;
    size_t n = seal(documented, text);
    ck_assert(bonds_file_parse(text, n, &b));
    ck_assert_uint_eq(b.identity.b[5], 0xc0);
    ck_assert_uint_eq(b.local_ltk.key[15], 15);
    ck_assert_uint_eq(b.irk[0], 0x10);
    ck_assert_uint_eq(b.last_seen, 1763741462);
    ck_assert(b.aware);
    ck_assert_uint_eq(b.cccds[0].handle, 0x12);
    ck_assert_uint_eq(bonds_file_format(&b, again), n);
    ck_assert_mem_eq(text, again, n);
}
END_TEST

START_TEST(keys_that_a_bond_does_not_have_are_not_written)
{
    char text[BONDS_FILE_MAX + 1];
    struct bl_bond b = full_bond(), back;
    b.has_irk = b.has_local_ltk = b.has_peer_ltk = b.has_local_csrk = b.has_peer_csrk = false;
    size_t n = bonds_file_format(&b, text);
    ck_assert_uint_gt(n, 0);
    text[n] = '\0';
    ck_assert_ptr_null(strstr(text, "505152"));
    ck_assert_ptr_null(strstr(text, "101112"));
    ck_assert_ptr_null(strstr(text, "808182"));
    ck_assert_ptr_null(strstr(text, "606162"));
    ck_assert_ptr_null(strstr(text, "707172"));
    ck_assert(bonds_file_parse(text, n, &back));
    ck_assert(!back.has_irk && !back.has_local_csrk);
    ck_assert_uint_eq(back.local_ltk.size, 16); /* tells the level of the pairing all the same */
}
END_TEST

static bool is_zero(const struct bl_bond *b)
{
    static const struct bl_bond zero;
    return memcmp(b, &zero, sizeof(zero)) == 0;
}

START_TEST(a_text_that_is_cut_or_longer_is_none)
{
    char text[BONDS_FILE_MAX];
    struct bl_bond b = full_bond(), back;
    size_t n = bonds_file_format(&b, text);
    for (size_t len = 0; len < n; len++) {
        char *copy = malloc(len + 1); /* so that a read past the end is seen */
        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, len);
        char *exact = realloc(copy, len ? len : 1);
        ck_assert(!bonds_file_parse(exact, len, &back));
        ck_assert(is_zero(&back));
        free(exact);
    }
    ck_assert_uint_lt(n, sizeof(text));
    for (int c = 0; c < 256; c++) {
        text[n] = (char)c;
        ck_assert(!bonds_file_parse(text, n + 1, &back));
    }
}
END_TEST

START_TEST(any_octet_that_is_different_makes_it_none)
{
    char text[BONDS_FILE_MAX];
    struct bl_bond b = small_bond(), back;
    size_t n = bonds_file_format(&b, text);
    for (size_t i = 0; i < n; i++)
        for (int flip = 1; flip < 256; flip++) {
            text[i] = (char)(text[i] ^ flip);
            ck_assert(!bonds_file_parse(text, n, &back));
            text[i] = (char)(text[i] ^ flip);
        }
    ck_assert(bonds_file_parse(text, n, &back));
}
END_TEST

/* from: a line of `documented` and what stands in its place; the checksum is right. */
static bool reads_with(const char *from, const char *to)
{
    char body[4096], text[4096];
    struct bl_bond b;
    const char *at = strstr(documented, from);
    ck_assert_ptr_nonnull(at);
    snprintf(body, sizeof(body), "%.*s%s%s", (int)(at - documented), documented, to,
             at + strlen(from));
    return bonds_file_parse(text, seal(body, text), &b);
}

START_TEST(a_right_checksum_makes_no_bond_of_what_is_none)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"bond 1\n", "bond 2\n"},
        {"bled bond 1\n", ""},
        {"random C0", "public  C0"},
        {"random C0", "randon C0"},
        {"C0:11:22:33:44:55", "C0:11:22:33:44:5"},
        {"C0:11:22:33:44:55", "00:00:00:00:00:00"},
        {"C0:11:22:33:44:55", "c0:aa:22:33:44:55"},
        {"authenticated yes", "authenticated Yes"},
        {"authenticated yes", "authenticated 1"},
        {"authenticated yes\n", ""},
        {"authenticated yes\nsecure-connections yes", "secure-connections yes\nauthenticated yes"},
        {"0f 16 0000", "0f 15 0000"}, /* the octet above is not zero */
        {"0f 16 0000", "0f 17 0000"},
        {"0f 16 0000", "0f 016 0000"},
        {"0f 16 0000", "0f 16 0001"}, /* Secure Connections has no EDIV */
        {"0f 16 0000 00", "0f 16 0000 01"},
        {"0f 16 0000", "0f 16 00000"},
        {"000102030405060708090a0b0c0d0e0f", "00000000000000000000000000000000"},
        {"000102030405060708090a0b0c0d0e0f", "000102030405060708090A0B0C0D0E0F"},
        {"000102030405060708090a0b0c0d0e0f", "000102030405060708090a0b0c0d0e"},
        {"ltk 000102030405060708090a0b0c0d0e0f 16", "ltk 01020304050600000000000000000000 6"},
        {"peer-ltk none 0", "peer-ltk none 17"},
        {"peer-ltk none", "peer-ltk nono"},
        {"irk 101112131415161718191a1b1c1d1e1f", "irk 00000000000000000000000000000000"},
        {"local-counter 0", "local-counter 00"},
        {"local-counter 0", "local-counter"},
        {"local-counter 0", "local-counter -1"},
        {"local-counter 0", "local-counter 4294967296"},
        {"last-seen 1763741462", "last-seen 18446744073709551616"},
        {"last-seen 1763741462", "last-seen 01763741462"},
        {"client-features 01", "client-features 1"},
        {"cccds 1", "cccds 0"},
        {"cccds 1", "cccds 2"},
        {"cccds 1", "cccds 65"},
        {"cccds 1", "cccds 18446744073709551615"},
        {"cccd 0012 1", "cccd 0000 1"},
        {"cccd 0012 1", "cccd 0012 0"},
        {"cccd 0012 1", "cccd 0012 4"},
        {"cccd 0012 1", "cccd 12 1"},
        {"cccds 1\ncccd 0012 1", "cccds 2\ncccd 0012 1\ncccd 0012 1"},
        {"cccds 1\ncccd 0012 1", "cccds 2\ncccd 0012 1\ncccd 0011 1"},
        {"\n", "\r\n"},
        {"cccd 0012 1\n", "cccd 0012 1\n\n"},
        {"bled", "\xef\xbb\xbf"
                 "bled"},
    };
    ck_assert(reads_with("cccd 0012 1", "cccd 0013 2")); /* the rows are not refused for nothing */
    ck_assert(reads_with("local-counter 0", "local-counter 4294967295"));
    ck_assert(
        reads_with("000102030405060708090a0b0c0d0e0f 16", "01020304050607000000000000000000 7"));
    ck_assert(reads_with("cccds 1\ncccd 0012 1", "cccds 2\ncccd 0012 1\ncccd ffff 3"));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_msg(!reads_with(rows[i].from, rows[i].to), "row %zu: %s", i, rows[i].to);
}
END_TEST

START_TEST(what_could_not_be_read_again_is_not_written)
{
    char text[BONDS_FILE_MAX];
    struct bl_bond bad[12];
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        bad[i] = full_bond();
    bad[0].identity.type = 2;
    memset(bad[1].identity.b, 0, 6);
    memset(bad[2].irk, 0, 16);
    memset(bad[3].local_ltk.key, 0, 16);
    bad[4].local_ltk.size = 6;
    bad[5].local_ltk.size = 17;
    bad[6].peer_ltk.key[7] = 1;
    bad[7].n_cccds = BL_BOND_CCCDS + 1;
    bad[8].cccds[0].handle = 0;
    bad[9].cccds[63].bits = 0;
    bad[10].cccds[1].handle = bad[10].cccds[0].handle;
    bad[11].secure_connections = true; /* with an EDIV */
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(bonds_file_format(&bad[i], text) == 0, "row %zu", i);
}
END_TEST

/* What random changes and a right checksum make is refused, or is what it would be written as. */
START_TEST(random_texts_are_refused_or_written_the_same)
{
    static const char bits[] = "0123456789abcdef\n yesno:C-";
    unsigned taken = 0;
    srandom(4);
    for (int run = 0; run < 200000; run++) {
        char body[sizeof(documented)], text[4096], again[BONDS_FILE_MAX];
        struct bl_bond b;
        memcpy(body, documented, sizeof(body));
        for (long n = 1 + random() % 3; n > 0; n--)
            body[(size_t)random() % (sizeof(body) - 1)] =
                bits[(size_t)random() % (sizeof(bits) - 1)];
        size_t n = seal(body, text);
        if (!bonds_file_parse(text, n, &b))
            continue;
        taken++;
        ck_assert_uint_eq(bonds_file_format(&b, again), n);
        ck_assert_mem_eq(text, again, n);
    }
    ck_assert_uint_gt(taken, 1000);
}
END_TEST

START_TEST(names_tell_identities_and_nothing_else_does)
{
    static const char *const bad[] = {"",
                                      "public-",
                                      "public-00:11:22:33:44:5",
                                      "public-00:11:22:33:44:555",
                                      "public-0a:11:22:33:44:55",
                                      "random-00:11:22:33:44:55.tmp",
                                      "Random-00:11:22:33:44:55",
                                      "static-00:11:22:33:44:55",
                                      "controller"};
    struct bl_addr a = {ADDR_RANDOM, {0x55, 0x44, 0x33, 0x22, 0x11, 0xc0}}, back;
    char name[BONDS_FILE_NAME_MAX];
    ck_assert_str_eq(bonds_file_name(&a, name), "random-C0:11:22:33:44:55");
    ck_assert(bonds_file_named(name, &back));
    ck_assert(bl_addr_eq(&a, &back));
    a.type = ADDR_PUBLIC;
    ck_assert_str_eq(bonds_file_name(&a, name), "public-C0:11:22:33:44:55");
    ck_assert(bonds_file_named(name, &back));
    ck_assert(bl_addr_eq(&a, &back));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!bonds_file_named(bad[i], &back), "%s", bad[i]);
}
END_TEST

START_TEST(a_controller_comes_back)
{
    static const char body[] =
        "bled controller 1\naddress public 00:11:22:33:44:55\nhci-version 9\nmanufacturer 93\n";
    struct bonds_controller c, other;
    char text[4096], again[BONDS_FILE_MAX];
    size_t n = seal(body, text);
    ck_assert(bonds_file_parse_controller(text, n, &c));
    ck_assert_uint_eq(c.address.b[0], 0x55);
    ck_assert_uint_eq(c.hci_version, 9);
    ck_assert_uint_eq(c.manufacturer, 93);
    ck_assert_uint_eq(bonds_file_format_controller(&c, again), n);
    ck_assert_mem_eq(text, again, n);
    for (size_t len = 0; len < n; len++)
        ck_assert(!bonds_file_parse_controller(text, len, &other));
    other = c;
    ck_assert(bonds_controller_eq(&c, &other));
    other.manufacturer++;
    ck_assert(!bonds_controller_eq(&c, &other));
    other = c;
    other.hci_version++;
    ck_assert(!bonds_controller_eq(&c, &other));
    other = c;
    other.address.type = ADDR_RANDOM;
    ck_assert(!bonds_controller_eq(&c, &other));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("daemon/bonds_file");
    TCase *c = tcase_create("bonds_file");
    tcase_set_timeout(c, 60);
    tcase_add_test(c, everything_of_a_bond_comes_back);
    tcase_add_test(c, the_text_is_as_documented);
    tcase_add_test(c, keys_that_a_bond_does_not_have_are_not_written);
    tcase_add_test(c, a_text_that_is_cut_or_longer_is_none);
    tcase_add_test(c, any_octet_that_is_different_makes_it_none);
    tcase_add_test(c, a_right_checksum_makes_no_bond_of_what_is_none);
    tcase_add_test(c, what_could_not_be_read_again_is_not_written);
    tcase_add_test(c, random_texts_are_refused_or_written_the_same);
    tcase_add_test(c, names_tell_identities_and_nothing_else_does);
    tcase_add_test(c, a_controller_comes_back);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
