/* SPDX-License-Identifier: MIT */

/*
 * Runs a fuzz target over the files of a directory, with any compiler: `replay DIRECTORY`. Each
 * file is given as it is, and a short one cut at each octet and with each octet inverted as well,
 * so that a small corpus says more. No files is a failure.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* From memory of exactly the size, for the sanitizers. */
static void replay_run(const uint8_t *data, size_t n)
{
    uint8_t *exact = malloc(n > 0 ? n : 1);

    if (!exact)
        exit(1);
    if (n > 0)
        memcpy(exact, data, n);
    LLVMFuzzerTestOneInput(exact, n);
    free(exact);
}

static void replay_file(const char *path)
{
    static uint8_t data[65536];
    FILE *f = fopen(path, "rb");

    if (!f) {
        perror(path);
        exit(1);
    }
    size_t n = fread(data, 1, sizeof(data), f);
    fclose(f);
    replay_run(data, n);
    for (size_t i = 0; i < n && n <= 512; i++) {
        replay_run(data, i);
        data[i] ^= 0xff;
        replay_run(data, n);
        data[i] ^= 0xff;
    }
}

static int replay_entry(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int n = argc == 2 ? scandir(argv[1], &entries, replay_entry, alphasort) : -1;

    if (n <= 0) {
        fprintf(stderr, "usage: %s DIRECTORY (with files in it)\n", argv[0]);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", argv[1], entries[i]->d_name);
        replay_file(path);
        free(entries[i]);
    }
    free(entries);
    printf("%d files\n", n);
    return 0;
}
