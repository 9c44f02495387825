# SPDX-License-Identifier: MIT
"""What MicroPython lets pass and CPython does not, for the program and the modules beside it alone.

They get builtins of their own, and modules `struct`, `json`, `os` and `select` of their own: bytes from
struct.pack can have a str added, bytearray takes items modulo 256, a str is octets where those are
wanted, json writes bytes as strings, annotations are not evaluated, waiting for standard input and
looping on nothing lets handlers run.
"""
from __future__ import annotations

import __future__
import ast
import builtins
import codecs
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import re
import select
import struct
import sys
import sysconfig
import types
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple

from .ports import idle
from .pump import pump

_SIZES = {"b": 8, "B": 8, "h": 16, "H": 16, "i": 32, "I": 32, "l": 32, "L": 32, "q": 64, "Q": 64}
_CODES = re.compile(r"(\d*)([a-zA-Z?])")


def _octets(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


class Packed(bytes):
    """bytes to which a str can be added."""

    def __add__(self, other: Any) -> "Packed":
        return Packed(bytes.__add__(self, _octets(other)))


def _wrapped(fmt: str, values: Iterable[Any]) -> List[Any]:
    """Integers cut to what their place holds, strings as octets."""
    left: List[Any] = list(values)
    fitting: List[Any] = []
    for count, code in _CODES.findall(fmt):
        if code == "x":
            continue
        for _ in range(1 if code in "sp" else int(count or 1)):
            if not left:
                return fitting
            value = _octets(left.pop(0))
            if code in _SIZES and isinstance(value, int):
                bits = _SIZES[code]
                value &= (1 << bits) - 1
                if code.islower() and value >> (bits - 1):
                    value -= 1 << bits
            fitting.append(value)
    return fitting + left


def pack(fmt: str, *values: Any) -> Packed:
    try:
        return Packed(struct.pack(fmt, *values))
    except struct.error:
        return Packed(struct.pack(fmt, *_wrapped(fmt, values)))


def pack_into(fmt: str, buffer: Any, offset: int, *values: Any) -> None:
    try:
        struct.pack_into(fmt, buffer, offset, *values)
    except struct.error:
        struct.pack_into(fmt, buffer, offset, *_wrapped(fmt, values))


class _AnyArray(type):
    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, bytearray)


class Array(bytearray, metaclass=_AnyArray):
    """bytearray, with items modulo 256, that takes text for its octets."""

    def __init__(self, source: Any = b"", *args: Any) -> None:
        if isinstance(source, str) and not args:
            source = source.encode()
        elif not isinstance(source, (int, str)) and not hasattr(source, "__bytes__"):
            try:
                memoryview(source)
            except TypeError:
                source = bytes(item & 0xff for item in source)
        super().__init__(source, *args)

    def __setitem__(self, at: Any, value: Any) -> None:
        if isinstance(value, int):
            value &= 0xff
        super().__setitem__(at, _octets(value))

    def append(self, item: Any) -> None:
        super().append(item & 0xff)

    def extend(self, items: Any) -> None:
        super().extend(Array(items) if isinstance(items, (list, tuple)) else _octets(items))

    def __add__(self, other: Any) -> "Array":
        return Array(bytearray.__add__(self, _octets(other)))

    def __iadd__(self, other: Any) -> "Array":
        self.extend(other)
        return self


Array.__name__ = Array.__qualname__ = "bytearray"


class _AnyView(type):
    def __instancecheck__(cls, thing: Any) -> bool:
        return isinstance(thing, memoryview)

    def __call__(cls, thing: Any) -> memoryview:
        return memoryview(_octets(thing))


class View(metaclass=_AnyView):
    """memoryview, of text too."""


def _ilistdir(path: str = ".") -> Iterator[Tuple[str, int, int, int]]:
    """(name, type, inode, size) of each."""
    for entry in os.scandir(path or "."):
        stat = entry.stat()
        yield entry.name, stat.st_mode & 0xf000, stat.st_ino, stat.st_size


def _plain(thing: Any) -> str:
    if isinstance(thing, (bytes, bytearray, memoryview)):
        return bytes(thing).decode("utf-8", "replace")
    raise TypeError(f"{type(thing).__name__} cannot be written as JSON")


class _Raw(io.RawIOBase):
    """Standard input; handlers run while it is waited for."""

    def __init__(self) -> None:
        self.pending = b""  # what has been read, and is there for poll() still

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def isatty(self) -> bool:
        return os.isatty(0)

    def readinto(self, buffer: Any) -> int:
        if not self.pending:
            pump.wait(None, [(0, select.POLLIN)])
            self.pending = os.read(0, 4096)
        octets, self.pending = self.pending[:len(buffer)], self.pending[len(buffer):]
        buffer[:len(octets)] = octets
        return len(octets)


class Stdin(io.TextIOBase):
    """Gives letter by letter, so that poll() says what is there."""

    def __init__(self) -> None:
        self.raw = _Raw()
        self.buffer = io.BufferedReader(self.raw, 1)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    encoding = "utf-8"

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return 0

    def isatty(self) -> bool:
        return self.raw.isatty()

    def _one(self) -> str:
        while True:
            octet = self.buffer.read(1)
            text = self._decoder.decode(octet, not octet)
            if text or not octet:
                return text

    def read(self, size: Optional[int] = -1) -> str:
        text = ""
        while size is None or size < 0 or len(text) < size:
            letter = self._one()
            if not letter:
                break
            text += letter
        return text

    def readline(self, size: Optional[int] = -1) -> str:  # type: ignore[override]
        text = ""
        while not text.endswith("\n") and (size is None or size < 0 or len(text) < size):
            letter = self._one()
            if not letter:
                break
            text += letter
        return text


def _input(prompt: Any = "") -> str:
    print(prompt, end="", flush=True)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


class Poll:
    """select.poll of MicroPython: gives back the very objects, and lets handlers run."""

    def __init__(self) -> None:
        self._things: Dict[int, Tuple[Any, int]] = {}

    @staticmethod
    def _fd(thing: Any) -> int:
        fd: int = thing if isinstance(thing, int) else thing.fileno()
        return fd

    def register(self, thing: Any, events: int = select.POLLIN | select.POLLOUT) -> None:
        self._things[self._fd(thing)] = thing, events

    modify = register

    def unregister(self, thing: Any) -> None:
        self._things.pop(self._fd(thing), None)

    def poll(self, timeout: float = -1, /) -> List[Tuple[Any, int]]:
        stdin, wanted = self._things.get(0, (None, 0))
        if wanted & select.POLLIN and isinstance(stdin, Stdin) and stdin.raw.pending:
            pump.run()
            return [(stdin, select.POLLIN)]
        ready = pump.wait(None if timeout is None or timeout < 0 else timeout / 1000,
                          [(fd, events) for fd, (_, events) in self._things.items()])
        return [(self._things[fd][0], events) for fd, events in ready]

    def ipoll(self, timeout: float = -1, flags: int = 0, /) -> List[Tuple[Any, int]]:
        return self.poll(timeout)


def _select(r: Any, w: Any, x: Any, timeout: Optional[float] = None) -> Tuple[Any, Any, Any]:
    poll = Poll()
    masks: Dict[int, int] = {}
    for things, mask in (r, select.POLLIN), (w, select.POLLOUT), (x, select.POLLPRI):
        for thing in things:
            fd = Poll._fd(thing)
            masks[fd] = masks.get(fd, 0) | mask
            poll.register(thing, masks[fd])
    ready = {Poll._fd(t): events for t, events in
             poll.poll(-1 if timeout is None else timeout * 1000)}

    def those(things: Any, mask: int) -> List[Any]:
        return [t for t in things if ready.get(Poll._fd(t), 0) & mask]
    return (those(r, select.POLLIN | select.POLLHUP | select.POLLERR),
            those(w, select.POLLOUT | select.POLLERR), those(x, select.POLLPRI))


def _like(module: types.ModuleType, **changed: Any) -> types.ModuleType:
    made = types.ModuleType(module.__name__, module.__doc__)
    made.__dict__.update(vars(module))
    made.__dict__.update(changed)
    return made


def modules() -> Dict[str, types.ModuleType]:
    """What stands in for modules of CPython in the program."""
    def dump(thing: Any, file: Any, **options: Any) -> None:
        options.setdefault("default", _plain)
        json.dump(thing, file, **options)

    def dumps(thing: Any, **options: Any) -> str:
        options.setdefault("default", _plain)
        return json.dumps(thing, **options)
    return {"struct": _like(struct, pack=pack, pack_into=pack_into),
            "json": _like(json, dump=dump, dumps=dumps),
            "os": _like(os, ilistdir=_ilistdir),
            "select": _like(select, poll=Poll, select=_select)}


#: The builtins of the program.
BUILTINS: Dict[str, Any] = {**vars(builtins), "bytearray": Array, "memoryview": View, "input": _input,
                            "__bled_idle__": idle}
#: What its modules find in place of CPython's.
MODULES: Dict[str, types.ModuleType] = {}


def _import(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (),
            level: int = 0) -> Any:
    found = MODULES.get(name[1:] if name[:1] == "u" and name[1:] in MODULES else name)
    if found is not None and not level:
        return found
    return builtins.__import__(name, globals, locals, fromlist, level)


BUILTINS["__import__"] = _import


class _BusyWaits(ast.NodeTransformer):
    """`while not done: pass` lets handlers run."""

    def visit_While(self, node: ast.While) -> ast.AST:
        self.generic_visit(node)
        if all(isinstance(s, (ast.Pass, ast.Continue)) for s in node.body):
            call = ast.Expr(ast.Call(ast.Name("__bled_idle__", ast.Load()), [], []))
            node.body = [ast.fix_missing_locations(ast.copy_location(call, node.body[0]))]
        return node


def compiled(source: Any, name: str) -> types.CodeType:
    tree = _BusyWaits().visit(ast.parse(source, name))
    code: types.CodeType = compile(tree, name, "exec", dont_inherit=True,
                                   flags=__future__.annotations.compiler_flag)
    return code


class _Loader(importlib.machinery.SourceFileLoader):
    """A module of the program."""

    def get_code(self, fullname: str) -> types.CodeType:
        path = self.get_filename(fullname)
        return compiled(self.get_data(path), path)

    def exec_module(self, module: types.ModuleType) -> None:
        module.__dict__["__builtins__"] = BUILTINS
        exec(self.get_code(module.__name__), module.__dict__)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the program's own modules: those that are neither CPython's, nor the distribution's,
    nor this package's."""

    def __init__(self) -> None:
        paths = sysconfig.get_paths()
        self._foreign = tuple(os.path.realpath(paths[k]) + "/" for k in
                              ("stdlib", "platstdlib", "purelib", "platlib")) + (
            os.path.realpath(os.path.join(os.path.dirname(__file__), "..")) + "/",)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            return None
        origin = os.path.realpath(spec.origin or "")
        if origin.startswith(self._foreign) or "/dist-packages/" in origin or \
                "/site-packages/" in origin:
            return None
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=_Loader(name, spec.origin or ""),
            submodule_search_locations=spec.submodule_search_locations)
