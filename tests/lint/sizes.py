#!/usr/bin/env python3
"""Files of at most 800 lines, functions of at most 100, no #if in lib's .c files. Exceptions are
listed in sizes.exceptions, one `path[:function]  reason` a line."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
FILE_MAX, FUNCTION_MAX = 800, 100
HEAD = re.compile(r"^[A-Za-z_].*?\b(\w+)\(")


def functions(lines):
    """(name, length) of each function: a body from a `{` to a `}`, both in the first column."""
    name, start = None, None
    for i, line in enumerate(lines):
        if start is None:
            m = HEAD.match(line)
            if m:
                name = m[1]
            if line == "{":
                start = i
        elif line.startswith("}"):
            yield name, i - start + 1
            start = None


def main():
    exceptions = {}
    for line in (ROOT / "tests/lint/sizes.exceptions").read_text().splitlines():
        if line and not line.startswith("#"):
            what, reason = line.split(None, 1)
            exceptions[what] = reason
    bad, used, seen = [], set(), 0
    for top in ("lib", "dbus", "daemon", "tests"):
        for source in sorted((ROOT / top).rglob("*.c")):
            rel, lines = str(source.relative_to(ROOT)), source.read_text().splitlines()
            seen += 1
            limit = 2 * FILE_MAX if top == "tests" else FILE_MAX
            if len(lines) > limit:
                if rel in exceptions:
                    used.add(rel)
                else:
                    bad.append(f"{rel}: {len(lines)} lines, at most {limit}")
            for name, length in functions(lines):
                if length > FUNCTION_MAX and top != "tests":
                    key = f"{rel}:{name}"
                    if key in exceptions:
                        used.add(key)
                    else:
                        bad.append(f"{key}: {length} lines, at most {FUNCTION_MAX}")
            if top == "lib" and any(re.match(r"\s*#\s*(if|ifdef|ifndef)\b", line) for line in lines):
                bad.append(f"{rel}: #if in lib")
    for what in sorted(set(exceptions) - used):
        bad.append(f"sizes.exceptions: {what} needs no exception")
    for line in bad:
        print(line)
    print(f"{seen} files, {len(bad)} too large")
    return 1 if bad or not seen else 0


sys.exit(main())
