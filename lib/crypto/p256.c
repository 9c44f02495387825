/* SPDX-License-Identifier: MIT */

/*
 * p256: libcrypto's EC_POINT interface, because both keys come from outside it: the scalar from the
 * host's own source of randomness, the peer's point from the air.
 */

#include "crypto/p256.h"

#include "crypto/crypto.h"
#include "crypto/libcrypto.h"

#include <errno.h>
#include <openssl/obj_mac.h>
#include <string.h>

/* What one computation needs; made and freed as a whole. */
struct p256 {
    const struct libcrypto *c;
    EC_GROUP *group;
    EC_POINT *in, *out;
    BIGNUM *scalar, *x, *y;
};

static void p256_end(struct p256 *p)
{
    const struct libcrypto *c = p->c;

    if (!c)
        return;
    c->BN_clear_free(p->scalar);
    c->BN_clear_free(p->x);
    c->BN_clear_free(p->y);
    c->EC_POINT_clear_free(p->out);
    c->EC_POINT_clear_free(p->in);
    c->EC_GROUP_free(p->group);
}

#define _cleanup_p256_ __attribute__((cleanup(p256_end)))

/* 0, -EIO, or -ERANGE for a scalar that is no private key. */
static int p256_begin(struct p256 *p, const uint8_t scalar[static 32])
{
    *p = (struct p256){.c = bl_libcrypto()};
    const struct libcrypto *c = p->c;

    if (!c)
        return -EIO;
    p->group = c->EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    if (!p->group)
        return -EIO;
    p->in = c->EC_POINT_new(p->group);
    p->out = c->EC_POINT_new(p->group);
    p->scalar = c->BN_lebin2bn(scalar, 32, NULL);
    p->x = c->BN_new();
    p->y = c->BN_new();
    if (!p->in || !p->out || !p->scalar || !p->x || !p->y)
        return -EIO;
    /* Core 5.4, Vol 3, Part H, 2.2: from 1 to r - 1 */
    if (c->BN_is_zero(p->scalar) || c->BN_cmp(p->scalar, c->EC_GROUP_get0_order(p->group)) >= 0)
        return -ERANGE;
    return 0;
}

/* The affine coordinates of p->out; y may be NULL. */
static int p256_result(struct p256 *p, uint8_t *x, uint8_t *y)
{
    const struct libcrypto *c = p->c;

    if (c->EC_POINT_get_affine_coordinates(p->group, p->out, p->x, p->y, NULL) != 1 ||
        c->BN_bn2lebinpad(p->x, x, 32) != 32 || (y && c->BN_bn2lebinpad(p->y, y, 32) != 32))
        return -EIO;
    return 0;
}

int bl_p256_public(const uint8_t scalar[static 32], struct bl_p256_public *ret)
{
    struct p256 p _cleanup_p256_;
    int r = p256_begin(&p, scalar);

    memset(ret, 0, sizeof(*ret));
    if (r < 0)
        return r;
    if (p.c->EC_POINT_mul(p.group, p.out, p.scalar, NULL, NULL, NULL) != 1)
        return -EIO;
    r = p256_result(&p, ret->x, ret->y);
    if (r < 0)
        memset(ret, 0, sizeof(*ret));
    return r;
}

int bl_p256_dhkey(const uint8_t scalar[static 32], const struct bl_p256_public *peer,
                  uint8_t ret[static 32])
{
    struct p256 p _cleanup_p256_;
    int r = p256_begin(&p, scalar);

    memset(ret, 0, 32);
    if (r < 0)
        return r;
    if (!p.c->BN_lebin2bn(peer->x, 32, p.x) || !p.c->BN_lebin2bn(peer->y, 32, p.y))
        return -EIO;
    /* libcrypto reduces coordinates, the specification refuses them; points that are not on the
     * curve libcrypto refuses too. Core 5.4, Vol 3, Part H, 2.3.5.6.1. */
    const BIGNUM *field = p.c->EC_GROUP_get0_field(p.group);
    if (!field || p.c->BN_cmp(p.x, field) >= 0 || p.c->BN_cmp(p.y, field) >= 0)
        return -EINVAL;
    if (p.c->EC_POINT_set_affine_coordinates(p.group, p.in, p.x, p.y, NULL) != 1) {
        p.c->ERR_clear_error();
        return -EINVAL;
    }
    if (p.c->EC_POINT_mul(p.group, p.out, NULL, p.in, p.scalar, NULL) != 1)
        return -EIO;
    r = p256_result(&p, ret, NULL);
    if (r < 0)
        bl_crypto_wipe(ret, 32);
    return r;
}
