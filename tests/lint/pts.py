#!/usr/bin/env python3
"""Every test that pts_gatt.txt, pts_l2cap.txt and pts_sm.txt name is there, every id is one, and named once."""
import pathlib
import re
import sys

IDS = {
    "pts_gatt.txt": re.compile(r"GATT/(CL|SR)/(GA[CDRWNIST]|GP[AM]|UNS)/B[VI]-\d\d-C$"),
    "pts_l2cap.txt": re.compile(r"L2CAP/(COS/(CED|E?CFC)|LE/(CFC|CPU|REJ|CID)|ECFC|FIX|TIM)/B[VI]-\d\d-C$"),
    "pts_sm.txt": re.compile(r"SM/(SIGN|(CEN|PER)/(PROT|JW|PKE|OOB|EKS|KDU|PIS|SC(JW|PK|OB|CT)))/B[VI]-\d\d-C$"),
}
TEST = {".c": r"START_TEST\({}\)", ".py": r"async def {}\("}


def entries(text):
    """(ids, rest) of each entry, its lines joined."""
    joined = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line[0].isspace():
            joined[-1] += " " + line.strip()
        else:
            joined.append(line)
    for entry in joined:
        words = entry.split()
        ids = []
        while words and words[0].startswith(("GATT/", "L2CAP/", "SM/")):
            ids.append(words.pop(0).rstrip(","))
        yield ids, words


def missing(tests, name):
    path, _, function = name.partition(":")
    file = tests / path
    if not function or file.suffix not in TEST or not file.exists():
        return True
    return not re.search(TEST[file.suffix].format(re.escape(function)), file.read_text())


def main():
    tests = pathlib.Path(sys.argv[1]) / "tests"
    seen, bad, named = set(), [], set()
    rows = [(pattern, *entry) for name, pattern in IDS.items()
            for entry in entries((tests / "lint" / name).read_text())]
    for pattern, ids, words in rows:
        for one in ids:
            if not pattern.match(one):
                bad.append(f"{one}: no id")
            if one in seen:
                bad.append(f"{one}: twice")
            seen.add(one)
        if not words or (words[0] == "-" and len(words) < 3):
            bad.append(f"{ids}: neither a test nor a reason")
        if words and words[0] != "-":
            named.update(words)
    bad += [f"{name}: no such test" for name in sorted(named) if missing(tests, name)]
    for line in bad:
        print(line)
    print(f"{len(seen)} ids, {len(named)} tests")
    return 1 if bad or not seen else 0


sys.exit(main())
