# SPDX-License-Identifier: MIT
"""Small things that everything here speaks of: addresses, UUIDs, flags, advertising data."""
from __future__ import annotations

import dataclasses
import enum
import re
import uuid as _uuid
from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

PUBLIC, RANDOM = 0, 1
_BASE = "-0000-1000-8000-00805f9b34fb"
_ADDRESS = re.compile(r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")


class Flag(enum.IntFlag):
    """What a characteristic or descriptor allows, as GattServer1 has it."""

    BROADCAST = 0x0001
    READ = 0x0002
    WRITE_NO_RESPONSE = 0x0004
    WRITE = 0x0008
    NOTIFY = 0x0010
    INDICATE = 0x0020
    AUTHENTICATED_SIGNED_WRITE = 0x0040
    AUX_WRITE = 0x0100
    READ_ENCRYPTED = 0x0200
    READ_AUTHENTICATED = 0x0400
    READ_AUTHORIZED = 0x0800
    WRITE_ENCRYPTED = 0x1000
    WRITE_AUTHENTICATED = 0x2000
    WRITE_AUTHORIZED = 0x4000


class Io(enum.IntEnum):
    """What a person can do here: the IO capability."""

    DISPLAY_ONLY = 0
    DISPLAY_YES_NO = 1
    KEYBOARD_ONLY = 2
    NONE = 3
    KEYBOARD_DISPLAY = 4


class AddrMode(enum.IntEnum):
    """The kind of address on the air."""

    PUBLIC = 0
    RANDOM_STATIC = 1
    RESOLVABLE = 2
    NON_RESOLVABLE = 3


class Event(enum.IntFlag):
    """Events of a local characteristic (LocalCharacteristic.trigger)."""

    READ = 1
    WRITE = 2
    SUBSCRIBE = 4


Uuid = Union[str, int, _uuid.UUID]


def uuid(value: Uuid) -> str:
    """The one spelling of a UUID: four hex digits where it is on the Bluetooth base."""
    text = f"{value:04x}" if isinstance(value, int) else str(value).lower()
    digits = text[2:] if text.startswith("0x") else text
    if len(digits) in (4, 8):
        text = digits.rjust(8, "0") + _BASE
    try:
        text = str(_uuid.UUID(text))
    except ValueError:
        raise ValueError(f"{value!r} is no UUID") from None
    return text[4:8] if text.startswith("0000") and text.endswith(_BASE) else text


class HasAddress:
    """Whatever has an address and its type: reports, links, bonds can be given in their place."""

    address: str
    address_type: int


Peer = Union[str, Tuple[int, str], "Report", "Advertiser", "Bond", Any]


def peer(who: Peer, address_type: Optional[int] = None) -> Tuple[int, str]:
    """(type, address) of an address, a (type, address), or an object that has them."""
    if isinstance(who, tuple):
        address_type, who = who if address_type is None else (address_type, who[1])
    elif not isinstance(who, str):
        thing: Any = who
        who, address_type = thing.address, (
            thing.address_type if address_type is None else address_type)
    if not isinstance(who, str) or not _ADDRESS.match(who):
        raise ValueError(f"{who!r} is no address")
    return address_type or PUBLIC, who.upper()


@dataclasses.dataclass
class AdvertisingData:
    """What advertising data says; `fields` has all of it, by type."""

    fields: Dict[int, List[bytes]]

    @classmethod
    def parse(cls, data: bytes) -> "AdvertisingData":
        fields: Dict[int, List[bytes]] = {}
        for kind, value in _split(data):
            fields.setdefault(kind, []).append(value)
        return cls(fields)

    @property
    def name(self) -> Optional[str]:
        for kind in 0x09, 0x08:
            if kind in self.fields:
                return self.fields[kind][0].decode("utf-8", "replace")
        return None

    @property
    def services(self) -> List[str]:
        found: List[str] = []
        for kinds, size in (((2, 3), 2), ((4, 5), 4), ((6, 7), 16)):
            for value in (v for kind in kinds for v in self.fields.get(kind, [])):
                found += [_from_wire(value[i:i + size])
                          for i in range(0, len(value) - size + 1, size)]
        return list(dict.fromkeys(found))

    @property
    def manufacturer_data(self) -> Dict[int, bytes]:
        return {int.from_bytes(v[:2], "little"): v[2:]
                for v in self.fields.get(0xff, []) if len(v) >= 2}

    @property
    def service_data(self) -> Dict[str, bytes]:
        return {_from_wire(v[:size]): v[size:] for kind, size in ((0x16, 2), (0x20, 4), (0x21, 16))
                for v in self.fields.get(kind, []) if len(v) >= size}

    @property
    def tx_power(self) -> Optional[int]:
        value = self.fields.get(0x0a, [b""])[0]
        return int.from_bytes(value, "little", signed=True) if len(value) == 1 else None

    @property
    def appearance(self) -> Optional[int]:
        value = self.fields.get(0x19, [b""])[0]
        return int.from_bytes(value, "little") if len(value) == 2 else None


def _split(data: bytes) -> Iterator[Tuple[int, bytes]]:
    pos = 0
    while pos + 1 < len(data) and data[pos] and pos + 1 + data[pos] <= len(data):
        yield data[pos + 1], data[pos + 2:pos + 1 + data[pos]]
        pos += 1 + data[pos]


def _from_wire(octets: bytes) -> str:
    return uuid(octets[::-1].hex() if len(octets) < 16 else _uuid.UUID(bytes=octets[::-1]))


@dataclasses.dataclass
class Report:
    """One advertisement or scan response, as it was received."""

    address: str
    address_type: int
    adv_type: Optional[int]  # 0 ADV_IND, 1 directed, 2 scannable, 3 not connectable, 4 scan response
    rssi: Optional[int]
    data: bytes
    connectable: bool = False
    scannable: bool = False
    directed: bool = False
    scan_response: bool = False
    truncated: bool = False
    anonymous: bool = False
    primary_phy: str = "1m"
    secondary_phy: Optional[str] = None
    sid: Optional[int] = None
    tx_power: Optional[int] = None
    periodic_interval: Optional[int] = None
    time: float = 0.0  # CLOCK_MONOTONIC, s
    dropped: int = 0  # reports lost just before this one, because the reader was too slow

    @property
    def advertising_data(self) -> AdvertisingData:
        return AdvertisingData.parse(self.data)

    @property
    def name(self) -> Optional[str]:
        return self.advertising_data.name

    @property
    def services(self) -> List[str]:
        return self.advertising_data.services


@dataclasses.dataclass
class Advertiser:
    """One advertiser that Discover found, advertisement and scan response put together."""

    address: str
    address_type: int
    connectable: bool
    rssi: Optional[int]
    name: Optional[str] = None
    services: List[str] = dataclasses.field(default_factory=list)
    appearance: Optional[int] = None
    tx_power: Optional[int] = None
    manufacturer_data: Dict[int, bytes] = dataclasses.field(default_factory=dict)
    service_data: Dict[str, bytes] = dataclasses.field(default_factory=dict)
    adv_data: bytes = b""
    resp_data: bytes = b""


@dataclasses.dataclass
class Bond:
    """A bonded peer, by its identity."""

    address: str
    address_type: int
    info: Dict[str, Any]

    @property
    def authenticated(self) -> bool:
        return bool(self.info.get("authenticated"))

    @property
    def conn(self) -> Optional[int]:
        return self.info.get("conn")


@dataclasses.dataclass
class Oob:
    """Out-of-band data: of ours, to be told to one peer, or of a peer's."""

    r: bytes = b""
    c: bytes = b""
    address: str = ""
    address_type: int = PUBLIC
    tk: bytes = b""


@dataclasses.dataclass
class Security:
    """What a pairing came to."""

    encrypted: bool
    authenticated: bool
    bonded: bool
    key_size: int
