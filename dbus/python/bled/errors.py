# SPDX-License-Identifier: MIT
"""The errors of bled: one class for each D-Bus error name.

`Error` is the base of all. The codes of the specification are attributes of four classes:
`AttError.ReadNotPermitted`, `HciError.ConnectionTimeout`, `SmpError.PasskeyEntryFailed`,
`L2capError.SpsmNotSupported`; codes without a name are `AttError.Unknown7B`. `status` is the number
that stands for the error in signals (0 where it has none), `name` its name on the bus.

The table here is that of dbus/interfaces/org.bled.Error.xml; a test compares them.
"""
from __future__ import annotations

from typing import Any, ClassVar, Dict, Optional, Type

PREFIX = "org.bled.Error."
FREEDESKTOP = "org.freedesktop.DBus.Error."

ATT = {
    0x01: "InvalidHandle", 0x02: "ReadNotPermitted", 0x03: "WriteNotPermitted", 0x04: "InvalidPdu",
    0x05: "InsufficientAuthentication", 0x06: "RequestNotSupported", 0x07: "InvalidOffset",
    0x08: "InsufficientAuthorization", 0x09: "PrepareQueueFull", 0x0a: "AttributeNotFound",
    0x0b: "AttributeNotLong", 0x0c: "EncryptionKeySizeTooShort",
    0x0d: "InvalidAttributeValueLength", 0x0e: "UnlikelyError", 0x0f: "InsufficientEncryption",
    0x10: "UnsupportedGroupType", 0x11: "InsufficientResources", 0x12: "DatabaseOutOfSync",
    0x13: "ValueNotAllowed",
    **{code: f"Application{code:02X}" for code in range(0x80, 0xa0)},
    **{code: f"Common{code:02X}" for code in range(0xe0, 0x100)},
}
HCI = {
    0x01: "UnknownHciCommand", 0x02: "UnknownConnectionIdentifier", 0x03: "HardwareFailure",
    0x04: "PageTimeout", 0x05: "AuthenticationFailure", 0x06: "PinOrKeyMissing",
    0x07: "MemoryCapacityExceeded", 0x08: "ConnectionTimeout", 0x09: "ConnectionLimitExceeded",
    0x0a: "SynchronousConnectionLimitToADeviceExceeded", 0x0b: "ConnectionAlreadyExists",
    0x0c: "CommandDisallowed", 0x0d: "ConnectionRejectedDueToLimitedResources",
    0x0e: "ConnectionRejectedDueToSecurityReasons",
    0x0f: "ConnectionRejectedDueToUnacceptableBdAddr", 0x10: "ConnectionAcceptTimeoutExceeded",
    0x11: "UnsupportedFeatureOrParameterValue", 0x12: "InvalidHciCommandParameters",
    0x13: "RemoteUserTerminatedConnection",
    0x14: "RemoteDeviceTerminatedConnectionDueToLowResources",
    0x15: "RemoteDeviceTerminatedConnectionDueToPowerOff",
    0x16: "ConnectionTerminatedByLocalHost", 0x17: "RepeatedAttempts", 0x18: "PairingNotAllowed",
    0x19: "UnknownLmpPdu", 0x1a: "UnsupportedRemoteFeature", 0x1b: "ScoOffsetRejected",
    0x1c: "ScoIntervalRejected", 0x1d: "ScoAirModeRejected", 0x1e: "InvalidLlParameters",
    0x1f: "Unspecified", 0x20: "UnsupportedLlParameterValue", 0x21: "RoleChangeNotAllowed",
    0x22: "LlResponseTimeout", 0x23: "LlProcedureCollision", 0x24: "LmpPduNotAllowed",
    0x25: "EncryptionModeNotAcceptable", 0x26: "LinkKeyCannotBeChanged",
    0x27: "RequestedQosNotSupported", 0x28: "InstantPassed",
    0x29: "PairingWithUnitKeyNotSupported", 0x2a: "DifferentTransactionCollision",
    0x2c: "QosUnacceptableParameter", 0x2d: "QosRejected",
    0x2e: "ChannelClassificationNotSupported", 0x2f: "InsufficientSecurity",
    0x30: "ParameterOutOfMandatoryRange", 0x32: "RoleSwitchPending",
    0x34: "ReservedSlotViolation", 0x35: "RoleSwitchFailed",
    0x36: "ExtendedInquiryResponseTooLarge", 0x37: "SecureSimplePairingNotSupportedByHost",
    0x38: "HostBusyPairing", 0x39: "ConnectionRejectedDueToNoSuitableChannelFound",
    0x3a: "ControllerBusy", 0x3b: "UnacceptableConnectionParameters", 0x3c: "AdvertisingTimeout",
    0x3d: "ConnectionTerminatedDueToMicFailure", 0x3e: "ConnectionFailedToBeEstablished",
    0x40: "CoarseClockAdjustmentRejectedButWillTryToAdjustUsingClockDragging",
    0x41: "Type0SubmapNotDefined", 0x42: "UnknownAdvertisingIdentifier", 0x43: "LimitReached",
    0x44: "OperationCancelledByHost", 0x45: "PacketTooLong",
}
SMP = {
    0x01: "PasskeyEntryFailed", 0x02: "OobNotAvailable", 0x03: "AuthenticationRequirements",
    0x04: "ConfirmValueFailed", 0x05: "PairingNotSupported", 0x06: "EncryptionKeySize",
    0x07: "CommandNotSupported", 0x08: "UnspecifiedReason", 0x09: "RepeatedAttempts",
    0x0a: "InvalidParameters", 0x0b: "DhKeyCheckFailed", 0x0c: "NumericComparisonFailed",
    0x0d: "BrEdrPairingInProgress", 0x0e: "CrossTransportKeyDerivationGenerationNotAllowed",
    0x0f: "KeyRejected", 0x10: "Busy",
}
L2CAP = {
    0x02: "SpsmNotSupported", 0x04: "NoResourcesAvailable", 0x05: "InsufficientAuthentication",
    0x06: "InsufficientAuthorization", 0x07: "EncryptionKeySizeTooShort",
    0x08: "InsufficientEncryption", 0x09: "InvalidSourceCid", 0x0a: "SourceCidAlreadyAllocated",
    0x0b: "UnacceptableParameters", 0x0c: "InvalidParameters",
    0x0d: "NoFurtherInformationAvailable", 0x0e: "AuthenticationPending",
    0x0f: "AuthorizationPending",
}
OWN = {
    0x401: "Timeout", 0x402: "Canceled", 0x403: "Disconnected", 0x404: "NoResources",
    0x405: "NotActive", 0x406: "NotSupported", 0x407: "ProtocolViolation",
}


class Error(Exception):
    """Anything that bled, or the way to it, refuses or fails at."""

    name: ClassVar[str] = PREFIX + "Failed"
    status: int = 0

    def __init__(self, message: str = "", status: Optional[int] = None) -> None:
        self.message = message or _sentence(type(self).__name__)
        if status is not None:
            self.status = status
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class _Family(type):
    """Gives the members of a family as attributes of its class: AttError.ReadNotPermitted."""

    def __getattr__(cls, name: str) -> Type[Any]:
        own = cls.__dict__.get("members", {})
        if name in own:
            return own[name]  # type: ignore[no-any-return]
        code = cls.__dict__["codes"].get(name) if "codes" in cls.__dict__ else None
        if code is None and name.startswith("Unknown") and len(name) == 9 and "codes" in cls.__dict__:
            try:
                code = int(name[7:], 16)
            except ValueError:
                code = None
        if code is None:
            raise AttributeError(f"{cls.__name__} has no {name}")
        made = type(name, (cls,), {"status": cls.__dict__["base"] + code, "__module__": __name__,
                                   "name": f"{PREFIX}{cls.__dict__['family']}.{name}",
                                   "__qualname__": f"{cls.__name__}.{name}"})
        own[name] = made
        return made

    def __dir__(cls) -> Any:
        return [*super().__dir__(), *cls.__dict__.get("codes", {})]

    def of(cls, code: int) -> Type[Any]:
        """The class of a code (one octet): AttError.of(0x80)."""
        if not 0 < code <= 0xff:
            raise ValueError(f"{code} is no code of an error: 1 to 255")
        for name, known in cls.__dict__["codes"].items():
            if known == code:
                return cls.__getattr__(name)
        return cls.__getattr__(f"Unknown{code:02X}")


def _names(table: Dict[int, str]) -> Dict[str, int]:
    return {name: code for code, name in table.items()}


class AttError(Error, metaclass=_Family):
    """A peer's ATT error; or ours to a peer, raised by a handler of a local characteristic."""

    family, base, codes = "Att", 0, _names(ATT)
    members: Dict[str, Type[Any]] = {}
    name, status = PREFIX + "Att.UnlikelyError", 0x0e


class HciError(Error, metaclass=_Family):
    """An error of the controller."""

    family, base, codes = "Hci", 0x100, _names(HCI)
    members: Dict[str, Type[Any]] = {}
    name, status = PREFIX + "Hci.Unspecified", 0x11f


class SmpError(Error, metaclass=_Family):
    """A pairing that failed."""

    family, base, codes = "Smp", 0x200, _names(SMP)
    members: Dict[str, Type[Any]] = {}
    name, status = PREFIX + "Smp.UnspecifiedReason", 0x208


class L2capError(Error, metaclass=_Family):
    """A channel that was refused; or ours to a peer, raised by a listener's handler."""

    family, base, codes = "L2cap", 0x300, _names(L2CAP)
    members: Dict[str, Type[Any]] = {}
    name, status = PREFIX + "L2cap.NoResourcesAvailable", 0x304


class Timeout(Error, TimeoutError):
    """It did not happen in time."""

    name, status = PREFIX + "Timeout", 0x401


class Canceled(Error):
    """It was cancelled."""

    name, status = PREFIX + "Canceled", 0x402


class Disconnected(Error, ConnectionError):
    """The connection ended; `status` is 0x100 + the HCI reason where it is known."""

    name, status = PREFIX + "Disconnected", 0x403


class NoResources(Error):
    """bled is out of resources for it."""

    name, status = PREFIX + "NoResources", 0x404


class NotActive(Error):
    """The adapter is not active."""

    name, status = PREFIX + "NotActive", 0x405


class NotSupported(Error):
    """Controller or characteristic cannot do it."""

    name, status = PREFIX + "NotSupported", 0x406


class ProtocolViolation(Error):
    """The peer gave an answer that the specification does not allow."""

    name, status = PREFIX + "ProtocolViolation", 0x407


class NotReady(Error):
    """The controller is not there, or cannot be had."""

    name = PREFIX + "NotReady"


class NotConnected(Error, ConnectionError):
    """There is no connection of this number."""

    name = PREFIX + "NotConnected"


class AlreadyConnected(Error):
    """There is a connection to this peer, or an attempt is under way."""

    name = PREFIX + "AlreadyConnected"


class NotFound(Error):
    """There is no such set, request, handle, bond, service, characteristic."""

    name = PREFIX + "NotFound"


class Busy(Error):
    """What can exist or go on once does already."""

    name = PREFIX + "Busy"


class InvalidArgs(Error, ValueError):
    """An argument or option is unknown, of the wrong type or out of range."""

    name = FREEDESKTOP + "InvalidArgs"


class AccessDenied(Error, PermissionError):
    """It belongs to another client, is for root alone, or is off by configuration."""

    name = FREEDESKTOP + "AccessDenied"


class NoMemory(Error):
    """No memory."""

    name = FREEDESKTOP + "NoMemory"


class UnknownMember(Error):
    """The daemon has no such method, interface, object or property: it is another version."""

    name = FREEDESKTOP + "UnknownMethod"


class DBusError(Error):
    """Another error of the bus; `dbus_name` says which."""

    dbus_name: str = ""


class DaemonGone(Error, ConnectionError):
    """The daemon left the bus, or is not there: all that it had given out is void."""


class BusGone(DaemonGone):
    """The connection to the bus has ended."""


class Closed(Error):
    """The Adapter, socket or iterator has been closed here."""


class Overflow(Error):
    """More was waiting than can be held for a reader: what came before it was all delivered."""


_FAMILIES: Dict[str, Type[Error]] = {"Att": AttError, "Hci": HciError, "Smp": SmpError,
                                     "L2cap": L2capError}
_PLAIN: Dict[str, Type[Error]] = {c.name: c for c in (
    Timeout, Canceled, Disconnected, NoResources, NotActive, NotSupported, ProtocolViolation,
    NotReady, NotConnected, AlreadyConnected, NotFound, Busy, InvalidArgs, AccessDenied, NoMemory,
    UnknownMember)}
_PLAIN.update({FREEDESKTOP + n: UnknownMember
               for n in ("UnknownObject", "UnknownInterface", "UnknownProperty")})
# What the bus says where the daemon is not there, or went before it answered.
_PLAIN.update({FREEDESKTOP + n: DaemonGone
               for n in ("NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected")})


def _sentence(name: str) -> str:
    """CamelCase as words."""
    text = ""
    for c in name:
        text += (" " + c.lower()) if c.isupper() and text and not text[-1].isupper() else c
    return text


def error_class(name: str) -> Type[Error]:
    """The class of a D-Bus error name."""
    if name in _PLAIN:
        return _PLAIN[name]
    parts = name[len(PREFIX):].split(".") if name.startswith(PREFIX) else []
    if len(parts) == 2 and parts[0] in _FAMILIES:
        try:
            return getattr(_FAMILIES[parts[0]], parts[1])  # type: ignore[no-any-return]
        except AttributeError:
            return _FAMILIES[parts[0]]
    return DBusError


def from_dbus(name: str, message: str) -> Error:
    """The error of an error reply."""
    error = error_class(name)(message)
    if isinstance(error, DBusError):
        error.dbus_name = name
        error.message = f"{message or 'failed'} ({name})"
    return error


def from_status(status: int, message: str = "") -> Optional[Error]:
    """The error that a status of a signal stands for; none for 0."""
    if status == 0:
        return None
    if status in OWN:
        return _PLAIN[PREFIX + OWN[status]](message)
    family = {0: AttError, 1: HciError, 2: SmpError, 3: L2capError}.get(status >> 8)
    if family is None or not status & 0xff:
        return DBusError(message or f"status 0x{status:03x}", status)
    made: Error = family.of(status & 0xff)(message)
    if not message:
        made.message = f"{_sentence(type(made).__name__)} (0x{status & 0xff:02x})"
    return made
