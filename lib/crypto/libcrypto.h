/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * libcrypto: OpenSSL's libcrypto, loaded with the first thing that is ciphered. Private to crypto/.
 */

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* The functions that crypto/ uses, under the names and types of OpenSSL's headers: a row each. */
#define LIBCRYPTO_FUNCTIONS(row)                                                                   \
    row(EVP_CIPHER_CTX_new) row(EVP_CIPHER_CTX_free) row(EVP_CIPHER_CTX_set_padding)               \
        row(EVP_EncryptInit_ex) row(EVP_EncryptUpdate) row(EVP_aes_128_ecb) row(EVP_MAC_fetch)     \
            row(EVP_MAC_free) row(EVP_MAC_CTX_new) row(EVP_MAC_CTX_free) row(EVP_MAC_init)         \
                row(EVP_MAC_update) row(EVP_MAC_final) row(EC_GROUP_new_by_curve_name)             \
                    row(EC_GROUP_free) row(EC_GROUP_get0_order) row(EC_GROUP_get0_field)           \
                        row(EC_POINT_new) row(EC_POINT_clear_free) row(EC_POINT_mul)               \
                            row(EC_POINT_set_affine_coordinates)                                   \
                                row(EC_POINT_get_affine_coordinates) row(BN_new)                   \
                                    row(BN_clear_free) row(BN_lebin2bn) row(BN_bn2lebinpad)        \
                                        row(BN_cmp) row(BN_is_zero) row(ERR_clear_error)

struct libcrypto {
#define LIBCRYPTO_MEMBER(name) __typeof__(&name) name;
    LIBCRYPTO_FUNCTIONS(LIBCRYPTO_MEMBER)
#undef LIBCRYPTO_MEMBER
};

/* The functions, for as long as the process lives; NULL when there is no libcrypto, or one without
 * one of them. A failure is not remembered: a library that is being upgraded is there again soon.
 */
const struct libcrypto *bl_libcrypto(void);
