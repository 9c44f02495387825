#!/usr/bin/env python3
"""The Python package has all of the D-Bus contract: methods, signals, properties, errors; it is
typed, and it installs."""
import importlib
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

from pybled import PACKAGE, bled, main
from bled import contract, errors

ROOT = pathlib.Path(__file__).parents[2]
INTERFACES = ROOT / "dbus/interfaces"


def documented():
    """{kind: {"Adapter1.Name": node}} of all the XML."""
    found = {"method": {}, "signal": {}, "property": {}}
    for path in INTERFACES.glob("*.xml"):
        for interface in ET.parse(path).getroot().iter("interface"):
            name = interface.get("name").removeprefix("org.bled.")
            for node in interface:
                if node.tag in found:
                    found[node.tag][f"{name}.{node.get('name')}"] = node
    return found


def signature(node, way):
    return "".join(a.get("type") for a in node.findall("arg")
                   if a.get("direction", "out" if node.tag == "signal" else "in") == way)


async def test_names_and_signatures_are_those_of_the_xml():
    xml = documented()
    assert len(xml["method"]) > 60
    assert {n: row[:2] for n, row in contract.METHODS.items()} == {
        n: (signature(m, "in"), signature(m, "out")) for n, m in xml["method"].items()}
    assert {n: row[0] for n, row in contract.SIGNALS.items()} == {
        n: signature(s, "out") for n, s in xml["signal"].items()}
    assert {n: row[:2] for n, row in contract.PROPERTIES.items()} == {
        n: (p.get("type"), p.get("access") == "readwrite") for n, p in xml["property"].items()}


async def test_everything_is_where_the_tables_say():
    for table in contract.METHODS, contract.SIGNALS, contract.PROPERTIES:
        for name, row in table.items():
            thing = bled
            for part in row[-1].split("."):
                annotated = part in getattr(thing, "__annotations__", ())
                assert hasattr(thing, part) or annotated, (name, row[-1])
                thing = getattr(thing, part, None)
    source = "".join(p.read_text() for p in (PACKAGE / "bled").glob("*.py")
                     if p.name != "contract.py")
    for method in contract.METHODS:
        assert f'"{method}"' in source, f"{method} is never called"
    # Results of calls that nobody waits for have no other use than ble.signals().
    for signal, (_, where) in contract.SIGNALS.items():
        assert where == "Adapter.signals" or f'"{signal}"' in source, f"{signal} is never heard"
    for name in bled.__all__:
        assert hasattr(bled, name), name


async def test_options_are_those_of_the_documentation():
    said = {p.stem.removeprefix("org.bled."): p.read_text() for p in INTERFACES.glob("*.xml")}
    for method, options in contract.OPTIONS.items():
        for key in options.keys() - {"wait"}:
            assert re.search(rf"\b{key}\b", said[method.split(".")[0]]), f"{method} says nothing of {key}"
    takes = {m for m, row in contract.METHODS.items() if row[0].endswith("a{sv}")}
    assert takes - {"GattServer1.AddCharacteristic"} == set(contract.OPTIONS)


async def test_each_error_of_the_xml_has_a_class():
    seen = set()
    for node in ET.parse(INTERFACES / "org.bled.Error.xml").getroot().iter("error"):
        name, status = node.get("name"), int(node.get("status"), 16)
        kind = errors.error_class(name)
        assert kind.name == name and kind.status == status, (name, kind)
        assert isinstance(errors.from_status(status), kind), name
        assert errors.error_class(name) is kind, "one class for each"
        seen.add(kind)
    named = sum(len(t) for t in (errors.ATT, errors.HCI, errors.SMP, errors.L2CAP, errors.OWN))
    assert len(seen) == named > 150, (len(seen), named)
    text = (INTERFACES / "org.bled.Error.xml").read_text()
    for name in set(re.findall(r"org\.bled\.Error\.[A-Z]\w+(?=:)", text)):
        assert errors.error_class(name).name == name, name


async def test_errors_are_natural():
    assert issubclass(bled.Timeout, TimeoutError) and issubclass(bled.Disconnected, ConnectionError)
    error = errors.from_dbus("org.bled.Error.Att.Unknown7B", "Größe")
    assert isinstance(error, bled.AttError) and error.status == 0x7b and str(error) == "Größe"
    assert type(error) is bled.AttError.Unknown7B is bled.AttError.of(0x7b)
    assert bled.AttError.of(0x80) is bled.AttError.Application80
    assert errors.from_status(0) is None
    strange = errors.from_dbus("com.example.Odd", "x")
    assert type(strange) is bled.DBusError and strange.dbus_name == "com.example.Odd"
    assert not hasattr(bled.AttError, "Nonsense") and not hasattr(bled.AttError, "UnknownXY")


async def test_uuids_have_one_spelling():
    long = "0000180d-0000-1000-8000-00805F9B34FB"
    assert [bled.uuid(u) for u in ("180D", "0x180d", 0x180d, long, "0000180d")] == ["180d"] * 5
    assert bled.uuid("12345678") == "12345678-0000-1000-8000-00805f9b34fb"
    for bad in ("18", "180d0", "zzzz", ""):
        try:
            bled.uuid(bad)
        except ValueError:
            continue
        raise AssertionError(bad)


async def test_advertising_data_that_is_cut_or_odd_is_no_danger():
    parse = bled.AdvertisingData.parse
    data = bytes.fromhex("020106" "03030d18" "0609") + "Größ".encode()[:5]  # cut within a letter
    assert parse(data).services == ["180d"] and parse(data).name == "Grö\ufffd"
    for n in range(len(data)):
        parse(data[:n]).name, parse(data[:n]).services
    odd = parse(bytes.fromhex("02ff01" "0216aa" "0309" "ff61" "030a0102" "00" "0201"))
    assert odd.manufacturer_data == {} and odd.service_data == {} and odd.tx_power is None
    assert odd.name == "\ufffda"


async def test_types_hold():
    """mypy --strict, where it is installed (Debian: mypy)."""
    mypy = shutil.which("mypy")
    if not mypy:
        print("no mypy: not checked")
        return
    modules = sorted((PACKAGE / "bled").glob("*.py"))
    examples = [str(p) for p in sorted((PACKAGE / "examples").glob("*.py"))]
    with tempfile.TemporaryDirectory() as cache:
        for what in ([f"-mbled.{p.stem}".removesuffix(".__init__") for p in modules], examples):
            run = subprocess.run(
                [mypy, "--config-file", PACKAGE / "pyproject.toml", "--cache-dir", cache, *what],
                cwd=cache, env={"MYPYPATH": str(PACKAGE), "PATH": "/usr/bin:/bin"},
                capture_output=True, text=True)
            assert run.returncode == 0, run.stdout + run.stderr


async def test_every_file_is_installed():
    text = (PACKAGE / "meson.build").read_text()
    listed = set(re.findall(r"'bled/([\w.]+)'", text))
    assert listed == {p.name for p in (PACKAGE / "bled").iterdir() if p.is_file()}, listed
    version = re.search(r"version: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]
    assert f'version = "{version}"' in (PACKAGE / "pyproject.toml").read_text()


async def test_pip_installs_it_without_a_network():
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory) / "source"
        shutil.copytree(PACKAGE, source, ignore=shutil.ignore_patterns("__pycache__"))
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index",
                        "--no-build-isolation", "--no-deps", "--no-compile", "--target",
                        f"{directory}/site", source], check=True, capture_output=True, text=True)
        code = "import bled, sys; print(bled.__file__)"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                             env={"PYTHONPATH": f"{directory}/site"}, cwd=directory)
        assert run.stdout.startswith(directory), run.stderr
        assert (pathlib.Path(directory) / "site/bled/py.typed").exists()


assert importlib  # the package is imported by pybled
main(*[f for name, f in sorted(globals().items()) if name.startswith("test_")])
