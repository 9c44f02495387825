/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * libcrypto: OpenSSL's libcrypto, loaded with the first thing that is ciphered. Private to crypto/.
 */

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* The functions that crypto/ uses, under the names and types of OpenSSL's headers: a row each. */
#define LIBCRYPTO_FUNCTIONS(row)                                                                   \
    row(EVP_CIPHER_CTX_new) row(EVP_CIPHER_CTX_free) row(EVP_CIPHER_CTX_set_padding)               \
        row(EVP_EncryptInit_ex) row(EVP_EncryptUpdate) row(EVP_aes_128_ecb) row(EVP_MAC_fetch)     \
            row(EVP_MAC_free) row(EVP_MAC_CTX_new) row(EVP_MAC_CTX_free) row(EVP_MAC_init)         \
                row(EVP_MAC_update) row(EVP_MAC_final)

struct libcrypto {
#define LIBCRYPTO_MEMBER(name) __typeof__(&name) name;
    LIBCRYPTO_FUNCTIONS(LIBCRYPTO_MEMBER)
#undef LIBCRYPTO_MEMBER
};

/* The functions, for as long as the process lives; NULL when there is no libcrypto, or one without
 * one of them. A failure is not remembered: a library that is being upgraded is there again soon.
 */
const struct libcrypto *bl_libcrypto(void);
