#!/usr/bin/env python3
"""lib is sans I/O: its archives may want memory and strings of the outside, nothing else, and hold
no mutable state at file scope. The exceptions are below, each with its reason."""
import os
import re
import subprocess
import sys

# libc's memory and string functions, and libgcc's arithmetic. printf stands here for formatting into memory only.
LIBC = set("""
    malloc calloc realloc free abort
    memcpy memmove memset explicit_bzero __explicit_bzero_chk memcmp memchr memrchr
    strlen strnlen strcmp strncmp strchr strrchr strcpy strncpy stpcpy strtoul qsort bsearch
    snprintf vsnprintf __snprintf_chk __vsnprintf_chk __memcpy_chk __memset_chk __memmove_chk
    __strcpy_chk __strncpy_chk __stack_chk_fail __assert_fail __errno_location
    __popcountdi2
""".split())
# libcrypto is loaded with the first thing that is ciphered, for it makes the start of a daemon that
# never does twice as dear. What the dynamic linker found is one table for the whole process.
ARCHIVE_ONLY = {"libbl_crypto.a": {"dlopen", "dlsym", "dlclose"}}
STATE = {("libbl_crypto.a", "libcrypto_table")}
SANITIZER = re.compile(r"^__((asan|ubsan|sanitizer|lsan|msan|tsan|gcov|llvm)_|odr_asan)")


def nm(archive, *flags):
    return subprocess.run(["nm", *flags, archive], capture_output=True, text=True, check=True).stdout


def main():
    archives = sys.argv[1:]
    defined, wanted, bad = set(), {}, []
    for archive in archives:
        for line in nm(archive, "--defined-only").splitlines():
            parts = line.split()
            if len(parts) == 3:
                defined.add(parts[2])
        for line in nm(archive, "-u").splitlines():
            parts = line.split()
            if len(parts) == 2 and parts[0] == "U" and \
                    parts[1] not in ARCHIVE_ONLY.get(os.path.basename(archive), ()):
                wanted.setdefault(parts[1], archive)
        table = subprocess.run(["objdump", "-t", archive], capture_output=True, text=True, check=True)
        for line in table.stdout.splitlines():
            m = re.match(r"^[0-9a-f]+ .{7} (\.data|\.bss|\.tdata|\.tbss|\.data\.[^r]\S*|\.bss\.\S+)"
                         r"\s+([0-9a-f]+)\s+(\S.*)$", line)
            if m and int(m[2], 16) > 0 and " O " in line and not SANITIZER.match(m[3]) \
                    and (os.path.basename(archive), m[3].split()[-1]) not in STATE:
                bad.append(f"{archive}: mutable state at file scope: {m[3]} in {m[1]}")
    for symbol, archive in sorted(wanted.items()):
        if symbol in defined or symbol in LIBC or SANITIZER.match(symbol) \
                or symbol == "_GLOBAL_OFFSET_TABLE_":
            continue
        bad.append(f"{archive}: lib may not use {symbol}")
    for line in bad:
        print(line)
    print(f"{len(archives)} archives, {len(wanted)} symbols from outside, {len(bad)} not allowed")
    return 1 if bad or not wanted else 0


sys.exit(main())
