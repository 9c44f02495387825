/* SPDX-License-Identifier: MIT */
/* getrandom(2) waits only until the kernel's generator is seeded, early in a boot. */
#include "entropy.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

int entropy_random(void *ctx, void *out, size_t n)
{
    (void)ctx;
    unsigned char *p = out;
    size_t done = 0;
    while (done < n) {
        ssize_t got = getrandom(p + done, n - done, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            int error = got < 0 ? errno : EIO;
            memset(out, 0, n);
            return -error;
        }
        done += (size_t)got;
    }
    return 0;
}
