/* SPDX-License-Identifier: MIT */

#include "crypto/crypto.h"

#include "base/cleanup.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

static void crypto_ctx_free(EVP_CIPHER_CTX **ctx)
{
    EVP_CIPHER_CTX_free(*ctx);
}

static void crypto_swap(const uint8_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[n - 1 - i];
}

int bl_crypto_e(const uint8_t key[static 16], const uint8_t in[static 16], uint8_t out[static 16])
{
    _cleanup_(crypto_ctx_free) EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    uint8_t k[16], block[16], result[32];
    int n = 0, r = -EIO;

    crypto_swap(key, k, 16);
    crypto_swap(in, block, 16);
    if (ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ecb(), NULL, k, NULL) == 1 &&
        EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
        EVP_EncryptUpdate(ctx, result, &n, block, 16) == 1 && n == 16)
        r = 0;
    if (r == 0)
        crypto_swap(result, out, 16);
    else
        memset(out, 0, 16);
    bl_crypto_wipe(k, sizeof(k));
    bl_crypto_wipe(block, sizeof(block));
    bl_crypto_wipe(result, sizeof(result));
    return r;
}

int bl_crypto_ah(const uint8_t irk[static 16], const uint8_t prand[static 3],
                 uint8_t hash[static 3])
{
    uint8_t block[16] = {prand[0], prand[1], prand[2]}, out[16];
    int r = bl_crypto_e(irk, block, out);

    memcpy(hash, out, 3);
    return r;
}

void bl_crypto_wipe(void *p, size_t n)
{
    OPENSSL_cleanse(p, n);
}

int bl_crypto_equal(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}
