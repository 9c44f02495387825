#!/usr/bin/env python3
"""org.bled(5) out of the interface files, so that the two cannot differ: interfaces.py FILE..."""
import re
import sys
import xml.etree.ElementTree as ET


def roff(text):
    """Text of the interface files as roff: paragraphs, and nothing that troff takes for its own."""
    out = []
    for paragraph in re.split(r"\n\s*\n", text.strip("\n")):
        words = " ".join(paragraph.split()).replace("\\", "\\e").replace("-", "\\-")
        out.append("\\&" + words if words[:1] in (".", "'") else words)
    return "\n.PP\n".join(out)


def signature(member):
    args = [f"{a.get('type')} \\fI{a.get('name')}\\fR" for a in member.iter("arg") if a.get("direction") != "out"]
    back = [f"{a.get('type')} \\fI{a.get('name')}\\fR" for a in member.iter("arg") if a.get("direction") == "out"]
    return ", ".join(args).replace("_", "\\_"), ", ".join(back).replace("_", "\\_")


def entry(title, doc):
    print(f".SS {title}")
    if doc is not None and doc.text:
        print(roff(doc.text))


def main():
    print('.\\" Made by dbus/man/interfaces.py: change the interface files.\n'
          '.TH ORG.BLED 5 "" "bled" "D-Bus interfaces"\n.SH NAME\norg.bled \\- the D\\-Bus interfaces of bled(8)\n'
          ".SH DESCRIPTION\n"
          "Objects: /org/bled (Manager1), /org/bled/hciN (one a controller), /org/bled/hciN/connHHHH\n"
          "(Connection1), /org/bled/hciN/charHHHH (Characteristic1), HHHH in four hexadecimal digits.\n"
          "Types are written as on the wire; what a method gives back stands behind the arrow.")
    errors = []
    for path in sorted(sys.argv[1:]):
        root = ET.parse(path).getroot()
        for interface in root.iter("interface"):
            print(f'.SH {interface.get("name")}')
            doc = interface.find("doc")
            if doc is not None:
                print(roff(doc.text))
            for member in interface:
                if member.tag == "method":
                    args, back = signature(member)
                    entry(f'\\fB{member.get("name")}\\fR({args})' + (f" \\-> ({back})" if back else ""),
                          member.find("doc"))
                elif member.tag == "signal":
                    entry(f'signal \\fB{member.get("name")}\\fR({signature(member)[0]})', member.find("doc"))
                elif member.tag == "property":
                    access = {"read": "read\\-only", "readwrite": "read\\-write"}.get(member.get("access"), "")
                    entry(f'property \\fB{member.get("name")}\\fR {member.get("type")}, {access}', member.find("doc"))
        errors += [(e.get("name"), e.get("status"), e.text or "") for e in root.iter("error")]
        if errors and root.find("doc") is not None:
            errors.insert(0, (None, None, root.find("doc").text))
    print(".SH ERRORS")
    for name, status, text in errors:
        if name is None:
            print(roff(text))
        else:
            print(f".TP\n.B {name}\n" + roff((f"{status}: " if status else "") + text))
    print(".SH SEE ALSO\n.BR bled (8),\n.BR bledctl (1),\n.BR busctl (1)")


main()
