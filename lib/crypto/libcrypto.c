/* SPDX-License-Identifier: MIT */

/*
 * libcrypto: 17,000 relocations and 4,200 symbols looked up are what linking with libcrypto costs
 * every start, and most daemons (public or static address, nothing bonded) never cipher anything.
 * So the library is opened by name when it is needed, and never closed.
 *
 * The table below is the one mutable object at file scope in lib: there is one dynamic linker, and
 * what it found is the same for every host. It is filled once, whole or not at all, and read only
 * from then on. lib has no threads.
 */

#include "crypto/libcrypto.h"

#include "base/cleanup.h"

#include <dlfcn.h>
#include <string.h>

static struct libcrypto libcrypto_table;

const struct libcrypto *bl_libcrypto(void)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
#define LIBCRYPTO_ROW(name) {#name, offsetof(struct libcrypto, name)},
        LIBCRYPTO_FUNCTIONS(LIBCRYPTO_ROW)
#undef LIBCRYPTO_ROW
    };
    struct libcrypto found;

    if (libcrypto_table.EVP_CIPHER_CTX_new)
        return &libcrypto_table;
    void *library = dlopen(BL_LIBCRYPTO, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        void *function = dlsym(library, rows[i].name);
        if (!function) {
            dlclose(library);
            return NULL;
        }
        memcpy((unsigned char *)&found + rows[i].at, &function, sizeof(function));
    }
    libcrypto_table = found;
    return &libcrypto_table;
}
