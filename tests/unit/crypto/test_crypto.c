/* SPDX-License-Identifier: MIT */

#include "crypto/crypto.h"

#include "vector.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool has_libcrypto(void)
{
    bool found = false;
    char line[512];
    FILE *f = fopen("/proc/self/maps", "r");

    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f))
        found = found || strstr(line, "/libcrypto.so");
    fclose(f);
    return found;
}

START_TEST(libcrypto_is_loaded_with_the_first_cipher_only)
{
    uint8_t a[16] = {0}, b[16] = {0};

    ck_assert(bl_crypto_equal(a, b, 16));
    bl_crypto_wipe(a, 16);
    ck_assert(!has_libcrypto());
    ck_assert_int_eq(bl_crypto_e(a, b, b), 0);
    ck_assert(has_libcrypto());
}
END_TEST

START_TEST(e_is_aes_128_of_fips_197)
{
    uint8_t key[16], plain[16], cipher[16], out[16];

    vector("fips_197_c1.txt", "key", key, 16);
    vector("fips_197_c1.txt", "plain", plain, 16);
    vector("fips_197_c1.txt", "cipher", cipher, 16);
    ck_assert_int_eq(bl_crypto_e(key, plain, out), 0);
    ck_assert_mem_eq(out, cipher, 16);
    ck_assert_int_eq(bl_crypto_e(key, plain, plain), 0); /* in place */
    ck_assert_mem_eq(plain, cipher, 16);
}
END_TEST

START_TEST(ah_gives_the_specifications_sample)
{
    uint8_t irk[16], prand[3], hash[3], out[3];

    vector("core_part_h_d7_ah.txt", "irk", irk, 16);
    vector("core_part_h_d7_ah.txt", "prand", prand, 3);
    vector("core_part_h_d7_ah.txt", "hash", hash, 3);
    ck_assert_int_eq(bl_crypto_ah(irk, prand, out), 0);
    ck_assert_mem_eq(out, hash, 3);
}
END_TEST

/* As the file has it. */
static void rfc_4493(const char *name, uint8_t ret[16])
{
    uint8_t turned[16];

    vector("rfc_4493.txt", name, turned, 16);
    for (size_t i = 0; i < 16; i++)
        ret[i] = turned[15 - i];
}

START_TEST(cmac_is_that_of_rfc_4493)
{
    static const struct {
        const char *name;
        size_t n;
    } rows[] = {{"mac0", 0}, {"mac16", 16}, {"mac40", 40}, {"mac64", 64}};
    uint8_t key[16], message[64], mac[16], out[16];

    rfc_4493("key", key);
    rfc_4493("block0", message);
    rfc_4493("block1", message + 16);
    rfc_4493("block2", message + 32);
    rfc_4493("block3", message + 48);
    rfc_4493(rows[_i].name, mac);
    ck_assert_int_eq(bl_crypto_cmac(key, message, rows[_i].n, out), 0);
    ck_assert_mem_eq(out, mac, 16);
    if (rows[_i].n == 0) {
        memset(out, 0, 16);
        ck_assert_int_eq(bl_crypto_cmac(key, NULL, 0, out), 0);
        ck_assert_mem_eq(out, mac, 16);
    }
}
END_TEST

START_TEST(equal_is_about_every_octet)
{
    uint8_t a[32] = {0}, b[32] = {0};

    ck_assert(bl_crypto_equal(a, b, 32));
    ck_assert(bl_crypto_equal(a, b, 0));
    for (size_t i = 0; i < 32; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            b[i] = (uint8_t)(1u << bit);
            ck_assert(!bl_crypto_equal(a, b, 32));
            b[i] = 0;
        }
}
END_TEST

START_TEST(wipe_leaves_zeros)
{
    uint8_t a[33], zero[33] = {0};

    memset(a, 0xa5, sizeof(a));
    bl_crypto_wipe(a, 32);
    ck_assert_mem_eq(a, zero, 32);
    ck_assert_uint_eq(a[32], 0xa5);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("crypto");
    TCase *t = tcase_create("crypto");

    tcase_add_test(t, libcrypto_is_loaded_with_the_first_cipher_only);
    tcase_add_test(t, e_is_aes_128_of_fips_197);
    tcase_add_test(t, ah_gives_the_specifications_sample);
    tcase_add_loop_test(t, cmac_is_that_of_rfc_4493, 0, 4);
    tcase_add_test(t, equal_is_about_every_octet);
    tcase_add_test(t, wipe_leaves_zeros);
    suite_add_tcase(s, t);

    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
