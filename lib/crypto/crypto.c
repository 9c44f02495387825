/* SPDX-License-Identifier: MIT */

#include "crypto/crypto.h"

#include "crypto/libcrypto.h"

#include <errno.h>
#include <string.h>

static void crypto_swap(const uint8_t *in, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = in[n - 1 - i];
}

/* One block, most significant octet first. */
static int crypto_aes(const uint8_t key[static 16], const uint8_t in[static 16],
                      uint8_t out[static 32])
{
    const struct libcrypto *c = bl_libcrypto();
    EVP_CIPHER_CTX *ctx = c ? c->EVP_CIPHER_CTX_new() : NULL;
    int n = 0, r = -EIO;

    if (!ctx)
        return r;
    if (c->EVP_EncryptInit_ex(ctx, c->EVP_aes_128_ecb(), NULL, key, NULL) == 1 &&
        c->EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
        c->EVP_EncryptUpdate(ctx, out, &n, in, 16) == 1 && n == 16)
        r = 0;
    c->EVP_CIPHER_CTX_free(ctx);
    return r;
}

int bl_crypto_e(const uint8_t key[static 16], const uint8_t in[static 16], uint8_t out[static 16])
{
    uint8_t k[16], block[16], result[32];

    crypto_swap(key, k, 16);
    crypto_swap(in, block, 16);
    int r = crypto_aes(k, block, result);
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

/* The schedule of a key in a context that has its cipher already. 1: the hash is that key's. */
static int crypto_ah_try(const struct libcrypto *c, EVP_CIPHER_CTX *ctx, const uint8_t *irk,
                         const uint8_t block[static 16], const uint8_t hash[static 3])
{
    uint8_t k[16], out[32];
    int n = 0, r = -EIO;

    crypto_swap(irk, k, 16);
    if (c->EVP_EncryptInit_ex(ctx, NULL, NULL, k, NULL) == 1 &&
        c->EVP_EncryptUpdate(ctx, out, &n, block, 16) == 1 && n == 16)
        r = out[15] == hash[0] && out[14] == hash[1] && out[13] == hash[2];
    bl_crypto_wipe(k, sizeof(k));
    return r;
}

int bl_crypto_ah_find(const uint8_t *irks, size_t stride, size_t n, const uint8_t prand[static 3],
                      const uint8_t hash[static 3], size_t *ret_index)
{
    static const uint8_t any[16];
    const uint8_t block[16] = {[13] = prand[2], [14] = prand[1], [15] = prand[0]};
    const struct libcrypto *c = bl_libcrypto();
    EVP_CIPHER_CTX *ctx = c ? c->EVP_CIPHER_CTX_new() : NULL;
    int r = -EIO;

    if (!ctx)
        return r;
    if (c->EVP_EncryptInit_ex(ctx, c->EVP_aes_128_ecb(), NULL, any, NULL) == 1 &&
        c->EVP_CIPHER_CTX_set_padding(ctx, 0) == 1)
        r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        if ((r = crypto_ah_try(c, ctx, irks + i * stride, block, hash)) == 1)
            *ret_index = i;
    c->EVP_CIPHER_CTX_free(ctx);
    return r;
}

static int crypto_cmac(const struct libcrypto *c, EVP_MAC_CTX *ctx, const uint8_t *key,
                       const void *msg, size_t n, uint8_t *mac)
{
    char cipher[] = "AES-128-CBC"; /* not const: OSSL_PARAM has no room for the word */
    const OSSL_PARAM params[] = {
        {OSSL_MAC_PARAM_CIPHER, OSSL_PARAM_UTF8_STRING, cipher, sizeof(cipher) - 1, 0},
        {NULL, 0, NULL, 0, 0},
    };
    size_t len = 0;

    if (c->EVP_MAC_init(ctx, key, 16, params) == 1 &&
        (n == 0 || c->EVP_MAC_update(ctx, msg, n) == 1) &&
        c->EVP_MAC_final(ctx, mac, &len, 16) == 1 && len == 16)
        return 0;
    return -EIO;
}

int bl_crypto_cmac(const uint8_t key[static 16], const void *msg, size_t n, uint8_t mac[static 16])
{
    const struct libcrypto *c = bl_libcrypto();
    EVP_MAC *algorithm = c ? c->EVP_MAC_fetch(NULL, "CMAC", NULL) : NULL;
    EVP_MAC_CTX *ctx = algorithm ? c->EVP_MAC_CTX_new(algorithm) : NULL;
    int r = ctx ? crypto_cmac(c, ctx, key, msg, n, mac) : -EIO;

    if (r < 0)
        memset(mac, 0, 16);
    if (c) {
        c->EVP_MAC_CTX_free(ctx);
        c->EVP_MAC_free(algorithm);
    }
    return r;
}

void bl_crypto_wipe(void *p, size_t n)
{
    explicit_bzero(p, n);
}

/* Every octet is looked at, whatever the ones before it were, and volatile keeps the compiler from
 * ending early. */
int bl_crypto_equal(const void *a, const void *b, size_t n)
{
    const volatile uint8_t *x = a, *y = b;
    uint8_t differ = 0;

    for (size_t i = 0; i < n; i++)
        differ |= x[i] ^ y[i];
    return differ == 0;
}
