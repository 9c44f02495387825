/* SPDX-License-Identifier: MIT */

/*
 * toolbox: the definitions put their arguments together most significant octet first; a message
 * here is written from its front in that order, each argument turned round as it goes in.
 */

#include "crypto/toolbox.h"

#include "crypto/crypto.h"

#include <stddef.h>
#include <string.h>

enum { TOOLBOX_MOST = 80 }; /* f4's and g2's message, 32 + 32 + 16 octets */

struct toolbox_message {
    uint8_t at[TOOLBOX_MOST];
    size_t n;
};

static void toolbox_put(struct toolbox_message *m, const uint8_t *value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        m->at[m->n++] = value[n - 1 - i];
}

static void toolbox_put_u8(struct toolbox_message *m, uint8_t value)
{
    m->at[m->n++] = value;
}

static void toolbox_put_u32(struct toolbox_message *m, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        toolbox_put_u8(m, (uint8_t)(value >> shift));
}

/* 56 bits: the type, 0 or 1, over the address. 2.2.7 */
static void toolbox_put_addr(struct toolbox_message *m, const struct bl_addr *a)
{
    toolbox_put_u8(m, a->type & 1);
    toolbox_put(m, a->b, sizeof(a->b));
}

static void toolbox_swap16(const uint8_t *in, uint8_t *out)
{
    for (size_t i = 0; i < 16; i++)
        out[i] = in[15 - i];
}

/* AES-CMAC of the message under key; the message is wiped. */
static int toolbox_cmac(const uint8_t key[static 16], struct toolbox_message *m,
                        uint8_t out[static 16])
{
    uint8_t k[16], mac[16];

    toolbox_swap16(key, k);
    int r = bl_crypto_cmac(k, m->at, m->n, mac);
    toolbox_swap16(mac, out);
    bl_crypto_wipe(k, sizeof(k));
    bl_crypto_wipe(mac, sizeof(mac));
    bl_crypto_wipe(m, sizeof(*m));
    return r;
}

int bl_crypto_c1(const uint8_t k[static 16], const uint8_t r[static 16],
                 const uint8_t preq[static 7], const uint8_t pres[static 7],
                 const struct bl_addr *init, const struct bl_addr *resp, uint8_t out[static 16])
{
    uint8_t block[16] = {init->type & 1, resp->type & 1};

    memcpy(block + 2, preq, 7); /* p1 = pres || preq || rat' || iat' */
    memcpy(block + 9, pres, 7);
    for (size_t i = 0; i < 16; i++)
        block[i] ^= r[i];
    int error = bl_crypto_e(k, block, out);
    if (error < 0)
        return error;
    uint8_t p2[16] = {0}; /* padding || ia || ra */
    memcpy(p2, resp->b, 6);
    memcpy(p2 + 6, init->b, 6);
    for (size_t i = 0; i < 16; i++)
        block[i] = out[i] ^ p2[i];
    error = bl_crypto_e(k, block, out);
    bl_crypto_wipe(block, sizeof(block));
    return error;
}

int bl_crypto_s1(const uint8_t k[static 16], const uint8_t r1[static 16],
                 const uint8_t r2[static 16], uint8_t out[static 16])
{
    uint8_t block[16];

    memcpy(block, r2, 8); /* the lower halves, r1's on top */
    memcpy(block + 8, r1, 8);
    int error = bl_crypto_e(k, block, out);
    bl_crypto_wipe(block, sizeof(block));
    return error;
}

int bl_crypto_f4(const uint8_t u[static 32], const uint8_t v[static 32], const uint8_t x[static 16],
                 uint8_t z, uint8_t out[static 16])
{
    struct toolbox_message m = {.n = 0};

    toolbox_put(&m, u, 32);
    toolbox_put(&m, v, 32);
    toolbox_put_u8(&m, z);
    return toolbox_cmac(x, &m, out);
}

int bl_crypto_f5(const uint8_t dhkey[static 32], const uint8_t n1[static 16],
                 const uint8_t n2[static 16], const struct bl_addr *a1, const struct bl_addr *a2,
                 uint8_t mackey[static 16], uint8_t ltk[static 16])
{
    /* SALT of 2.2.7, least significant octet first */
    static const uint8_t salt[16] = {0xbe, 0x83, 0x60, 0x5a, 0xdb, 0x0b, 0x37, 0x60,
                                     0x38, 0xa5, 0xf5, 0xaa, 0x91, 0x83, 0x88, 0x6c};
    struct toolbox_message m = {.n = 0};
    uint8_t t[16];

    memset(mackey, 0, 16);
    memset(ltk, 0, 16);
    toolbox_put(&m, dhkey, 32);
    int r = toolbox_cmac(salt, &m, t);
    for (uint8_t counter = 0; r == 0 && counter < 2; counter++) {
        toolbox_put_u8(&m, counter);
        toolbox_put_u32(&m, 0x62746c65); /* "btle" */
        toolbox_put(&m, n1, 16);
        toolbox_put(&m, n2, 16);
        toolbox_put_addr(&m, a1);
        toolbox_put_addr(&m, a2);
        toolbox_put_u8(&m, 0x01); /* Length: 256 bits */
        toolbox_put_u8(&m, 0x00);
        r = toolbox_cmac(t, &m, counter == 0 ? mackey : ltk);
    }
    bl_crypto_wipe(t, sizeof(t));
    if (r < 0)
        bl_crypto_wipe(mackey, 16);
    return r;
}

int bl_crypto_f6(const uint8_t w[static 16], const uint8_t n1[static 16],
                 const uint8_t n2[static 16], const uint8_t r[static 16],
                 const uint8_t iocap[static 3], const struct bl_addr *a1, const struct bl_addr *a2,
                 uint8_t out[static 16])
{
    struct toolbox_message m = {.n = 0};

    toolbox_put(&m, n1, 16);
    toolbox_put(&m, n2, 16);
    toolbox_put(&m, r, 16);
    toolbox_put(&m, iocap, 3);
    toolbox_put_addr(&m, a1);
    toolbox_put_addr(&m, a2);
    return toolbox_cmac(w, &m, out);
}

int bl_crypto_g2(const uint8_t u[static 32], const uint8_t v[static 32], const uint8_t x[static 16],
                 const uint8_t y[static 16], uint32_t *out)
{
    struct toolbox_message m = {.n = 0};
    uint8_t mac[16];

    toolbox_put(&m, u, 32);
    toolbox_put(&m, v, 32);
    toolbox_put(&m, y, 16);
    int r = toolbox_cmac(x, &m, mac);
    *out =
        (uint32_t)mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
    return r;
}

int bl_crypto_h6(const uint8_t w[static 16], uint32_t key_id, uint8_t out[static 16])
{
    struct toolbox_message m = {.n = 0};

    toolbox_put_u32(&m, key_id);
    return toolbox_cmac(w, &m, out);
}

int bl_crypto_h7(const uint8_t salt[static 16], const uint8_t w[static 16], uint8_t out[static 16])
{
    struct toolbox_message m = {.n = 0};

    toolbox_put(&m, w, 16);
    return toolbox_cmac(salt, &m, out);
}
