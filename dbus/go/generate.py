#!/usr/bin/env python3
"""api.go out of the interface files: every method, signal and property of the contract, typed.

generate.py DIRECTORY_OF_INTERFACES > bled/api.go      (a test compares)
"""
import pathlib
import sys
import xml.etree.ElementTree as ET

BASIC = {"y": "uint8", "b": "bool", "n": "int16", "q": "uint16", "i": "int32", "u": "uint32", "t": "uint64",
         "s": "string", "o": "dbus.ObjectPath", "v": "dbus.Variant", "h": "dbus.UnixFD", "ay": "[]byte",
         "a{sv}": "Options", "a{st}": "map[string]uint64", "aa{sv}": "[]Options"}
# Structures have names of their own: by member and argument.
STRUCTS = {
    ("Adapter1", "Mac"): "Address", ("Adapter1", "Identity"): "Address",
    ("Observer1", "Discover", "advertisers"): ("Device", "Type uint8|Address string|Connectable bool|RSSI int16|Data Options"),
    ("Observer1", "ScanResults", "results"): ("Report", "Type uint8|Address string|AdvType uint8|RSSI int16|Data []byte"),
    ("Manager1", "Clients", "clients"): ("Client", "Name string|Pid uint32|Holds Options"),
    ("GattServer1", "RegisterServices", "services"): (
        "ServiceDefinition", "UUID string|Characteristics []CharacteristicDefinition"),
    ("GattClient1", "DiscoverServices", "services"): ("ServiceRange", "Start uint16|End uint16|UUID string"),
    ("GattClient1", "DiscoverCharacteristics", "characteristics"): (
        "CharacteristicRange", "End uint16|Value uint16|Properties uint16|UUID string"),
    ("GattClient1", "DiscoverDescriptors", "descriptors"): ("DescriptorEntry", "Handle uint16|UUID string"),
    ("GattClient1", "DiscoverIncludes", "includes"): (
        "IncludeEntry", "Handle uint16|Start uint16|End uint16|UUID string"),
    ("GattClient1", "ReadByUuid", "values"): ("HandleValue", "Handle uint16|Value []byte"),
    ("Pairing1", "ListBonds", "bonds"): ("Bond", "Type uint8|Address string|Data Options"),
}
FIXED = """// Options is D-Bus's a{sv}.
type Options map[string]dbus.Variant

// Address is an address with its type: 0 public, 1 random.
type Address struct {
	Type    uint8
	Address string
}

// CharacteristicDefinition is a characteristic of RegisterServices.
type CharacteristicDefinition struct {
	UUID        string
	Flags       uint32
	Descriptors []DescriptorDefinition
}

// DescriptorDefinition is a descriptor of RegisterServices.
type DescriptorDefinition struct {
	UUID  string
	Flags uint32
}
"""
WORDS = {"uuid": "UUID", "mtu": "MTU", "psm": "PSM", "cid": "CID", "rssi": "RSSI", "fd": "FD", "sdu": "SDU", "tx": "TX",
         "rx": "RX", "ogf": "OGF", "ocf": "OCF"}
KEYWORDS = {"type", "func", "range", "interface", "map", "len"}
# The interfaces of an adapter's object are methods of one type; others have theirs.
RECEIVERS = {"Manager1": "Manager", "Connection1": "Connection", "Characteristic1": "LocalCharacteristic"}


def exported(name):
    return "".join(WORDS.get(w, w[:1].upper() + w[1:]) for w in name.split("_"))


def private(name):
    text = exported(name)
    text = text.lower() if text.isupper() else text[:1].lower() + text[1:]
    for word in WORDS.values():
        if text.startswith(word[:1].lower() + word[1:]) and text != word.lower():
            text = word.lower() + text[len(word):]
    return text + "_" if text in KEYWORDS else text


structs = {}


def go_type(signature, where):
    if signature in BASIC:
        return BASIC[signature]
    known = STRUCTS.get(where)
    if isinstance(known, str):
        return known
    if known:
        structs[known[0]] = (known[1], where)
        return "[]" + known[0]
    if signature[0] == "a" and signature[1] != "{":
        return "[]" + go_type(signature[1:], where)
    raise SystemExit(f"{where}: {signature} needs a row in STRUCTS")


def comment(name, doc):
    words = " ".join((doc.text if doc is not None and doc.text else "").split("\n\n")[0].split())
    return f"// {name}: {words or 'see org.bled(5).'}"


def method(interface, m, receiver, single):
    name = m.get("name")
    ins = [(private(a.get("name")), go_type(a.get("type"), (interface, name, a.get("name"))))
           for a in m.iter("arg") if a.get("direction") != "out"]
    outs = [(private(a.get("name")), go_type(a.get("type"), (interface, name, a.get("name"))))
            for a in m.iter("arg") if a.get("direction") == "out"]
    prefix = "" if single else {"Adapter1": "", "Link1": "Link", "Pairing1": "Pairing", "L2cap1": "L2cap",
                                "GattServer1": "Server", "GattClient1": "Client"}.get(interface, "")
    go = (prefix if ("method", name) in CLASHES else "") + name
    args = ", ".join(["ctx context.Context"] + [f"{n} {t}" for n, t in ins])
    back = ", ".join([f"{n} {t}" for n, t in outs] + ["err error"])
    print(comment(go, m.find("doc")))
    print(f"func (r *{receiver}) {go}({args}) ({back}) {{")
    call = ", ".join(["ctx", f'"org.bled.{interface}.{name}"', "[]interface{}{" + ", ".join("&" + n for n, _ in outs) + "}"]
                     + [n for n, _ in ins])
    print(f"\terr = r.call({call})\n\treturn\n}}\n")


def signal(interface, s):
    go = event_name(interface, s.get("name"))
    fields = [(exported(a.get("name")), go_type(a.get("type"), (interface, s.get("name"), a.get("name"))))
              for a in s.iter("arg")]
    print(comment(go, s.find("doc")))
    print(f"type {go} struct {{")
    for n, t in fields:
        print(f"\t{n} {t}")
    print("}\n")
    return f'"org.bled.{interface}.{s.get("name")}": func() interface{{}} {{ return new({go}) }},'


def event_name(interface, name):
    prefix = {"Link1": "Link", "L2cap1": "Channel"}.get(interface, "") if ("signal", name) in CLASHES else ""
    return prefix + name + "Event"


def prop(interface, p, receiver, methods):
    t = go_type(p.get("type"), (interface, p.get("name")))
    name = exported(p.get("name"))
    print(comment(f"Get{name}", p.find("doc")))
    print(f"func (r *{receiver}) Get{name}(ctx context.Context) (value {t}, err error) {{\n"
          f'\terr = r.get(ctx, "org.bled.{interface}", "{p.get("name")}", &value)\n\treturn\n}}\n')
    if p.get("access") == "readwrite":
        verb = "Store" if f"Set{name}" in methods else "Set"
        print(f"// {verb}{name} changes it.\nfunc (r *{receiver}) {verb}{name}(ctx context.Context, value {t}) error {{\n"
              f'\treturn r.set(ctx, "org.bled.{interface}", "{p.get("name")}", value)\n}}\n')


def main():
    global CLASHES
    files = sorted(pathlib.Path(sys.argv[1]).glob("org.bled.*.xml"))
    interfaces = [i for f in files for i in ET.parse(f).getroot().iter("interface")]
    seen = {}
    for i in interfaces:
        if i.get("name").rsplit(".", 1)[1] not in RECEIVERS:
            for m in list(i.iter("method")) + list(i.iter("signal")):
                seen.setdefault((m.tag, m.get("name")), []).append(i)
    CLASHES = {(tag, name) for (tag, name), where in seen.items() if len(where) > 1}
    print("// SPDX-License-Identifier: MIT\n\n// Code generated by generate.py from the interface files; DO NOT EDIT.\n\n"
          "package bled\n\nimport (\n\t\"context\"\n\n\t\"github.com/godbus/dbus/v5\"\n)\n")
    print(FIXED)
    rows = []
    for i in interfaces:
        interface = i.get("name").rsplit(".", 1)[1]
        receiver = RECEIVERS.get(interface, "Adapter")
        for m in i.iter("method"):
            method(interface, m, receiver, interface in RECEIVERS)
        for s in i.iter("signal"):
            rows.append(signal(interface, s))
        for p in i.iter("property"):
            prop(interface, p, receiver, {m.get("name") for m in i.iter("method")})
    for name, (fields, where) in sorted(structs.items()):
        print(f"// {name} is an element of {where[1]}'s {where[2]}.\ntype {name} struct {{")
        for field in fields.split("|"):
            print("\t" + field)
        print("}\n")
    print("var eventTypes = map[string]func() interface{}{")
    for row in rows:
        print("\t" + row)
    print("}\n\nvar errorStatus = map[string]uint16{")
    for f in files:
        for e in ET.parse(f).getroot().iter("error"):
            if e.get("status"):
                print(f'\t"{e.get("name")}": {e.get("status")},')
    print("}")


main()
