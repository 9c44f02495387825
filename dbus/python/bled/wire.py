# SPDX-License-Identifier: MIT
"""D-Bus messages: encoded and decoded by jeepney's types, checked before the bus would object."""
from __future__ import annotations

import array
import functools
import os
import struct
from typing import Any, Deque, Dict, List, Optional, Sequence, Tuple

from jeepney.low_level import (Array, DictEntry, Endianness, FixedType, SizeLimitError, StringType,
                               Struct, Variant, parse_signature)

from .errors import InvalidArgs

CALL, RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY = 1
_LITTLE = Endianness.little
_OUT_FIELDS = (1, "o"), (2, "s"), (3, "s"), (4, "s"), (5, "u"), (6, "s"), (8, "g"), (9, "u")


class Fd:
    """A file descriptor that came in a message: closed with its last reference, unless taken."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def take(self) -> int:
        fd, self._fd = self._fd, -1
        return fd

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self.take())

    def __del__(self) -> None:
        self.close()


@functools.lru_cache(maxsize=512)
def struct_type(signature: str) -> Any:
    """jeepney's type of a signature, as a struct of its complete types."""
    return parse_signature(list(f"({signature})"))


@functools.lru_cache(maxsize=512)
def single_type(signature: str) -> Any:
    return struct_type(signature).fields[0]


_HEADER = single_type("a(yv)")
_headers: Dict[Tuple[int, bytes], Dict[int, Any]] = {}


def fit(kind: Any, value: Any) -> Any:
    """A value as jeepney wants it for a type; InvalidArgs where the bus would not take it."""
    if isinstance(kind, Array):
        element = kind.elt_type
        if isinstance(element, FixedType) and element.struct_code == "B":
            if isinstance(value, (str, int)):
                raise TypeError(f"bytes are wanted, not {value!r}")
            return bytes(value)
        if isinstance(element, DictEntry):
            return {fit(element.fields[0], k): fit(element.fields[1], v) for k, v in value.items()}
        if isinstance(value, (str, bytes)):
            raise TypeError(f"a list is wanted, not {value!r}")
        return [fit(element, v) for v in value]
    if isinstance(kind, Struct):
        if len(value) != len(kind.fields):
            raise TypeError(f"{len(kind.fields)} values are wanted, not {value!r}")
        return tuple(fit(k, v) for k, v in zip(kind.fields, value))
    if isinstance(kind, Variant):
        return value[0], fit(single_type(value[0]), value[1])
    if isinstance(kind, StringType):
        if not isinstance(value, str):
            raise TypeError(f"a string is wanted, not {value!r}")
        if "\0" in value:
            raise InvalidArgs(f"{value!r} has a NUL in it")
    return value


def plain(kind: Any, value: Any) -> Any:
    """A decoded value without its variants' signatures."""
    if isinstance(kind, Variant):
        return plain(single_type(value[0]), value[1])
    if isinstance(kind, Array):
        if isinstance(kind.elt_type, DictEntry):
            inner = kind.elt_type.fields[1]
            return {k: plain(inner, v) for k, v in value.items()}
        if isinstance(kind.elt_type, (Struct, Array, Variant)):
            return [plain(kind.elt_type, v) for v in value]
        return value
    if isinstance(kind, Struct):
        return tuple(plain(k, v) for k, v in zip(kind.fields, value))
    return value


class Message:
    """A message that arrived. Its body is decoded when it is asked for."""

    __slots__ = ("type", "flags", "serial", "fields", "_raw", "_pos", "_endian", "_fds", "_body")

    def __init__(self, raw: bytes, fds: Deque[Fd]) -> None:
        self._raw = raw
        self._endian = Endianness.little if raw[0] == 0x6c else Endianness.big
        self.type, self.flags = raw[1], raw[2]
        order = "<" if raw[0] == 0x6c else ">"
        self.serial, length = struct.unpack_from(order + "II", raw, 8)
        self._pos = (16 + length + 7) // 8 * 8
        # Signals of one kind differ in serial and body alone.
        key = raw[0], raw[12:16 + length]
        fields = _headers.get(key) if self.type == SIGNAL else None
        if fields is None:
            fields = {k: v[1] for k, v in _HEADER.parse_data(raw, 12, self._endian)[0]}
            if self.type == SIGNAL and 9 not in fields:
                if len(_headers) >= 256:
                    _headers.clear()
                _headers[key] = fields
        self.fields: Dict[int, Any] = fields
        count = self.fields.get(9, 0)
        if count > len(fds):
            raise ValueError("a message came without its file descriptors")
        self._fds: List[Fd] = [fds.popleft() for _ in range(count)]
        self._body: Optional[Tuple[Any, ...]] = None

    @property
    def path(self) -> str:
        return self.fields.get(1, "")

    @property
    def interface(self) -> str:
        return self.fields.get(2, "")

    @property
    def member(self) -> str:
        return self.fields.get(3, "")

    @property
    def sender(self) -> str:
        return self.fields.get(7, "")

    @property
    def destination(self) -> str:
        return self.fields.get(6, "")

    @property
    def signature(self) -> str:
        return self.fields.get(8, "")

    @property
    def body(self) -> Tuple[Any, ...]:
        if self._body is None:
            kind, values = struct_type(self.signature), ()
            if kind.fields:
                values = kind.parse_data(self._raw, self._pos, self._endian, fds=self._fds)[0]
            body: Tuple[Any, ...] = plain(kind, values) if "v" in self.signature else values
            self._body, self._fds = body, []
            return body
        return self._body


def encode(kind: int, serial: int, fields: Dict[int, Any], signature: str, body: Sequence[Any],
           flags: int = 0) -> Tuple[bytes, "array.array[int]"]:
    """A message as octets, with its file descriptors."""
    fds: "array.array[int]" = array.array("i")
    data = b""
    if signature:
        kind_of_body = struct_type(signature)
        try:
            data = kind_of_body.serialise(fit(kind_of_body, body), 0, _LITTLE, fds=fds)
        except (struct.error, SizeLimitError, UnicodeError, OverflowError) as e:
            raise InvalidArgs(f"{fields.get(3, 'a reply')}: {e}") from None
        fields[8] = signature
    if fds:
        fields[9] = len(fds)
    header = struct.pack("<cBBBII", b"l", kind, flags, 1, len(data), serial) + _HEADER.serialise(
        [(code, (sig, fields[code])) for code, sig in _OUT_FIELDS if code in fields], 12, _LITTLE)
    return header + bytes(-len(header) % 8) + data, fds
