/* SPDX-License-Identifier: MIT */

/* smp_oob: what was told by other means. Core 5.4, Vol 3, Part H, 2.3.5.6.4. */

#include "smp/smp_internal.h"

#include "crypto/crypto.h"
#include "crypto/p256.h"
#include "crypto/toolbox.h"

#include <errno.h>
#include <string.h>

enum { OOB_SCALAR_TRIES = 4 }; /* a random scalar is out of range once in 2^32 */

static unsigned oob_index(const struct bl_smp *s, const struct bl_addr *peer)
{
    unsigned i = 0;

    while (i < s->n_oob && !bl_addr_eq(&s->oob[i].peer, peer))
        i++;
    return i;
}

static void oob_forget(struct bl_smp *s, unsigned i)
{
    s->oob[i] = s->oob[--s->n_oob];
    bl_crypto_wipe(&s->oob[s->n_oob], sizeof(s->oob[0]));
}

int bl_smp_oob_set(struct bl_smp *s, const struct bl_addr *peer, const uint8_t *tk,
                   const uint8_t *r, const uint8_t *c)
{
    unsigned i = oob_index(s, peer);

    if ((r == NULL) != (c == NULL))
        return -EINVAL;
    if (!tk && !r) {
        if (i < s->n_oob)
            oob_forget(s, i);
        return 0;
    }
    if (i == BL_MAX_OOB)
        return -ENOBUFS;
    if (i == s->n_oob)
        s->n_oob++;
    struct bl_smp_oob *oob = &s->oob[i].oob;
    s->oob[i].peer = *peer;
    *oob = (struct bl_smp_oob){.has_tk = tk != NULL, .has_remote = r != NULL};
    if (tk)
        memcpy(oob->tk, tk, 16);
    if (r) {
        memcpy(oob->r, r, 16);
        memcpy(oob->c, c, 16);
    }
    return 0;
}

int bl_smp_oob_get(struct bl_smp *s, uint8_t ret_r[static 16], uint8_t ret_c[static 16])
{
    struct bl_p256_public mine;
    int r = -ERANGE;

    s->has_local_oob = false;
    if (s->env->random(s->env->ctx, s->local_r, sizeof(s->local_r)) < 0)
        return -EIO;
    for (int i = 0; r == -ERANGE && i < OOB_SCALAR_TRIES; i++) {
        r = s->env->random(s->env->ctx, s->local_scalar, sizeof(s->local_scalar));
        if (r == 0)
            r = bl_p256_public(s->local_scalar, &mine);
    }
    if (r == 0)
        r = bl_crypto_f4(mine.x, mine.x, s->local_r, 0, ret_c);
    if (r < 0)
        return -EIO;
    memcpy(ret_r, s->local_r, 16);
    s->has_local_oob = true;
    s->local_oob++;
    return 0;
}

const struct bl_smp_oob *smp_oob_for(struct bl_smp *s, const struct smp_conn *c,
                                     struct bl_smp_oob *store)
{
    unsigned i = oob_index(s, &c->link.peer);

    if (i == s->n_oob && !bl_addr_is_zero(&c->link.identity))
        i = oob_index(s, &c->link.identity);
    if (i == s->n_oob && !s->has_local_oob)
        return NULL;
    *store = i < s->n_oob ? s->oob[i].oob : (struct bl_smp_oob){0};
    store->has_local = s->has_local_oob;
    memcpy(store->local_r, s->local_r, 16);
    memcpy(store->local_scalar, s->local_scalar, 32);
    return store;
}

void smp_oob_used(struct bl_smp *s, const struct smp_conn *c)
{
    struct bl_pairing_level level;

    if (!c->oob_taken || !c->pairing)
        return;
    bl_pairing_level(c->pairing, &level);
    if (!level.oob) /* it came to nothing before, or was one of another kind */
        return;
    unsigned i = oob_index(s, &c->link.peer);
    if (i == s->n_oob)
        i = oob_index(s, &c->link.identity);
    if (i < s->n_oob)
        oob_forget(s, i);
    if (c->oob_local != s->local_oob)
        return; /* there are new ones since */
    s->has_local_oob = false;
    bl_crypto_wipe(s->local_r, sizeof(s->local_r));
    bl_crypto_wipe(s->local_scalar, sizeof(s->local_scalar));
}
