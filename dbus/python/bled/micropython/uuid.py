# SPDX-License-Identifier: MIT
"""MicroPython's bluetooth.UUID: octets in the order of the air, compared and hashed as they are."""
from __future__ import annotations

from typing import Any, Tuple

from .. import types



class UUID:
    """UUID(0x180d), UUID('6e400001-b5a3-f393-e0a9-e50e24dcca9e'), UUID(b"\\x0d\\x18"), UUID(uuid).

    Of octets there are 2, 4 or 16, least significant first. A short UUID sorts before a long one
    and equals none, as on a board: UUID(0x180d) is not the UUID of 128 bits that means the same.
    """

    __slots__ = ("_octets",)
    _octets: bytes

    def __init__(self, value: Any, /) -> None:
        if isinstance(value, UUID):
            self._octets = value._octets
        elif isinstance(value, int):
            if value > 0xffff:
                raise ValueError("invalid UUID")
            self._octets = (value & 0xffff).to_bytes(2, "little")  # also of a signed number
        else:
            octets = value.encode() if isinstance(value, str) else bytes(memoryview(value))
            self._octets = octets if len(octets) in (2, 4, 16) else self._parsed(octets)

    @staticmethod
    def _parsed(text: bytes) -> bytes:
        try:
            octets = bytes.fromhex(text.replace(b"-", b"").decode("ascii"))
        except ValueError:
            raise ValueError("invalid UUID") from None
        if len(octets) != 16:
            raise ValueError("invalid UUID")
        return octets[::-1]

    @classmethod
    def of(cls, text: str) -> UUID:
        """The UUID that the daemon spells so."""
        return cls(int(text, 16) if len(text) == 4 else text)

    @property
    def spelled(self) -> str:
        """As the daemon spells it: the short form where there is one."""
        octets = self._octets
        if len(octets) == 4:
            return types.uuid(octets[::-1].hex())
        return types.uuid(octets[::-1].hex() if len(octets) == 2 else str(self)[6:-2])

    def __repr__(self) -> str:
        digits = self._octets[::-1].hex()
        if len(self._octets) < 16:
            return f"UUID(0x{digits})"
        return "UUID('" + "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20],
                                    digits[20:])) + "')"

    def __bytes__(self) -> bytes:
        return self._octets

    def __hash__(self) -> int:
        return hash(self._octets)

    def _order(self) -> Tuple[int, bytes]:
        return len(self._octets), self._octets

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UUID):
            return NotImplemented
        return self._octets == other._octets

    def __lt__(self, other: UUID) -> bool:
        return self._order() < other._order() if isinstance(other, UUID) else NotImplemented

    def __le__(self, other: UUID) -> bool:
        return self._order() <= other._order() if isinstance(other, UUID) else NotImplemented

    def __gt__(self, other: UUID) -> bool:
        return self._order() > other._order() if isinstance(other, UUID) else NotImplemented

    def __ge__(self, other: UUID) -> bool:
        return self._order() >= other._order() if isinstance(other, UUID) else NotImplemented
