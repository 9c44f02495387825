/* SPDX-License-Identifier: MIT */

#include "crypto/p256.h"
#include "crypto/toolbox.h"

#include "vector.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAIRING "core_part_h_d_pairing.txt"
#define P256    "core_part_g_p256.txt"

static void get(const char *name, uint8_t *ret, size_t n)
{
    vector(PAIRING, name, ret, n);
}

static struct bl_addr get_addr(const char *name)
{
    uint8_t v[7];
    struct bl_addr a;

    get(name, v, 7);
    a.type = v[6];
    memcpy(a.b, v, 6);
    return a;
}

START_TEST(c1_is_the_specifications)
{
    uint8_t k[16], r[16], preq[7], pres[7], want[16], out[16];
    struct bl_addr ia = {.type = ADDR_RANDOM}, ra = {.type = ADDR_PUBLIC};

    get("zero", k, 16);
    get("c1_r", r, 16);
    get("c1_preq", preq, 7);
    get("c1_pres", pres, 7);
    get("c1_ia", ia.b, 6);
    get("c1_ra", ra.b, 6);
    get("c1", want, 16);
    ck_assert_int_eq(bl_crypto_c1(k, r, preq, pres, &ia, &ra, out), 0);
    ck_assert_mem_eq(out, want, 16);
}
END_TEST

START_TEST(s1_is_the_specifications)
{
    uint8_t k[16], r1[16], r2[16], want[16], out[16];

    get("zero", k, 16);
    get("s1_r1", r1, 16);
    get("s1_r2", r2, 16);
    get("s1", want, 16);
    ck_assert_int_eq(bl_crypto_s1(k, r1, r2, out), 0);
    ck_assert_mem_eq(out, want, 16);
}
END_TEST

START_TEST(f4_and_g2_are_the_specifications)
{
    uint8_t u[32], v[32], x[16], y[16], want[16], out[16], number[4];
    uint32_t value;

    get("u", u, 32);
    get("v", v, 32);
    get("x", x, 16);
    get("y", y, 16);
    get("f4", want, 16);
    ck_assert_int_eq(bl_crypto_f4(u, v, x, 0, out), 0);
    ck_assert_mem_eq(out, want, 16);
    get("g2", number, 4);
    ck_assert_int_eq(bl_crypto_g2(u, v, x, y, &value), 0);
    ck_assert_uint_eq(value, (uint32_t)number[0] | (uint32_t)number[1] << 8 |
                                 (uint32_t)number[2] << 16 | (uint32_t)number[3] << 24);
}
END_TEST

START_TEST(f5_and_f6_are_the_specifications)
{
    uint8_t w[32], n1[16], n2[16], r[16], iocap_msb[3], want[16], mackey[16], ltk[16], out[16];
    struct bl_addr a1 = get_addr("a1"), a2 = get_addr("a2");

    get("dhkey", w, 32);
    get("x", n1, 16);
    get("y", n2, 16);
    ck_assert_int_eq(bl_crypto_f5(w, n1, n2, &a1, &a2, mackey, ltk), 0);
    get("f5_mackey", want, 16);
    ck_assert_mem_eq(mackey, want, 16);
    get("f5_ltk", want, 16);
    ck_assert_mem_eq(ltk, want, 16);

    get("f6_r", r, 16);
    get("f6_iocap", iocap_msb, 3); /* turned round: IO capability, OOB, AuthReq */
    ck_assert_int_eq(bl_crypto_f6(mackey, n1, n2, r, iocap_msb, &a1, &a2, out), 0);
    get("f6", want, 16);
    ck_assert_mem_eq(out, want, 16);
}
END_TEST

START_TEST(h6_and_h7_are_the_specifications)
{
    uint8_t w[16], salt[16], want[16], out[16];

    get("h6_w", w, 16);
    ck_assert_int_eq(bl_crypto_h6(w, 0x6c656272, out), 0);
    get("h6", want, 16);
    ck_assert_mem_eq(out, want, 16);
    get("h7_salt", salt, 16);
    ck_assert_int_eq(bl_crypto_h7(salt, w, out), 0);
    get("h7", want, 16);
    ck_assert_mem_eq(out, want, 16);
}
END_TEST

START_TEST(p256_agrees_with_the_specification_on_both_sides)
{
    uint8_t a[32], b[32], want[32], out[32];
    struct bl_p256_public pa, pb, got;

    vector(P256, "private_a", a, 32);
    vector(P256, "private_b", b, 32);
    vector(P256, "public_ax", pa.x, 32);
    vector(P256, "public_ay", pa.y, 32);
    vector(P256, "public_bx", pb.x, 32);
    vector(P256, "public_by", pb.y, 32);
    vector(P256, "dhkey", want, 32);
    ck_assert_int_eq(bl_p256_public(a, &got), 0);
    ck_assert_mem_eq(&got, &pa, sizeof(pa));
    ck_assert_int_eq(bl_p256_public(b, &got), 0);
    ck_assert_mem_eq(&got, &pb, sizeof(pb));
    ck_assert_int_eq(bl_p256_dhkey(a, &pb, out), 0);
    ck_assert_mem_eq(out, want, 32);
    ck_assert_int_eq(bl_p256_dhkey(b, &pa, out), 0);
    ck_assert_mem_eq(out, want, 32);
}
END_TEST

/* An attacker's points; the answer to each would tell something of the scalar. */
START_TEST(points_off_the_curve_are_refused)
{
    static const uint8_t zero[32];
    uint8_t scalar[32], p[32], out[32];
    struct bl_p256_public good, bad;

    vector(P256, "private_a", scalar, 32);
    vector(P256, "public_bx", good.x, 32);
    vector(P256, "public_by", good.y, 32);
    vector(P256, "p", p, 32);

    bad = good;
    bad.y[0] ^= 1;
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
    ck_assert_mem_eq(out, zero, 32);
    bad = good;
    bad.x[31] ^= 0x80;
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
    bad = good;
    memset(bad.y, 0, 32); /* the trick of CVE-2018-5383 */
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
    memset(&bad, 0, sizeof(bad));
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
    memset(&bad, 0xff, sizeof(bad));
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
    bad = good;
    memcpy(bad.x, p, 32); /* p itself, which libcrypto alone would take for 0 */
    ck_assert_int_eq(bl_p256_dhkey(scalar, &bad, out), -EINVAL);
}
END_TEST

/* x + p stands for the point of x once it is reduced. */
START_TEST(coordinates_that_are_not_reduced_are_refused)
{
    uint8_t scalar[32], out[32], p[32];
    struct bl_p256_public point;
    unsigned carry = 0;

    vector(P256, "private_a", scalar, 32);
    vector(P256, "small_x", point.x, 32);
    vector(P256, "small_y", point.y, 32);
    ck_assert_int_eq(bl_p256_dhkey(scalar, &point, out), 0);
    vector(P256, "p", p, 32);
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)point.x[i] + p[i];
        point.x[i] = (uint8_t)carry;
        carry >>= 8;
    }
    ck_assert_uint_eq(carry, 0);
    ck_assert_int_eq(bl_p256_dhkey(scalar, &point, out), -EINVAL);
}
END_TEST

START_TEST(scalars_out_of_range_are_no_keys)
{
    uint8_t scalar[32] = {0}, out[32];
    struct bl_p256_public peer, got;

    vector(P256, "public_bx", peer.x, 32);
    vector(P256, "public_by", peer.y, 32);
    ck_assert_int_eq(bl_p256_public(scalar, &got), -ERANGE);
    ck_assert_int_eq(bl_p256_dhkey(scalar, &peer, out), -ERANGE);
    vector(P256, "n", scalar, 32);
    ck_assert_int_eq(bl_p256_public(scalar, &got), -ERANGE);
    memset(scalar, 0xff, 32);
    ck_assert_int_eq(bl_p256_dhkey(scalar, &peer, out), -ERANGE);
    memset(scalar, 0, 32);
    scalar[0] = 1;
    ck_assert_int_eq(bl_p256_dhkey(scalar, &peer, out), 0);
    ck_assert_mem_eq(out, peer.x, 32);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("toolbox");
    TCase *t = tcase_create("toolbox");

    tcase_add_test(t, c1_is_the_specifications);
    tcase_add_test(t, s1_is_the_specifications);
    tcase_add_test(t, f4_and_g2_are_the_specifications);
    tcase_add_test(t, f5_and_f6_are_the_specifications);
    tcase_add_test(t, h6_and_h7_are_the_specifications);
    tcase_add_test(t, p256_agrees_with_the_specification_on_both_sides);
    tcase_add_test(t, points_off_the_curve_are_refused);
    tcase_add_test(t, coordinates_that_are_not_reduced_are_refused);
    tcase_add_test(t, scalars_out_of_range_are_no_keys);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
