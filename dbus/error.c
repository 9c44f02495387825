/* SPDX-License-Identifier: MIT */

/*
 * error: four tables of codes, one of our own, and how a sentence is made of them.
 *
 * A message reads "connecting to C0:11:22:33:44:55: the connection failed to be established (HCI
 * error 0x3e)": what failed, why, and the code for whoever looks it up. Names are the
 * specification's in CamelCase without a final Error; where LL and BR/EDR share a code the name is
 * that of the LL. Codes that have no name are Unknown and two hex digits.
 */

#include "error.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

struct row {
    uint8_t code;
    const char *name, *text;
};

/* Core 5.4, Vol 3, Part F, 3.4.1.1 */
static const struct row ATT[] = {
    {0x01, "InvalidHandle", "the peer has no attribute with this handle"},
    {0x02, "ReadNotPermitted", "the attribute cannot be read"},
    {0x03, "WriteNotPermitted", "the attribute cannot be written"},
    {0x04, "InvalidPdu", "the peer could not make sense of the request"},
    {0x05, "InsufficientAuthentication",
     "the link is not encrypted, or not with an authenticated key: Pair (with mitm and an Io other "
     "than 3)"},
    {0x06, "RequestNotSupported", "the peer does not support the request"},
    {0x07, "InvalidOffset", "the offset is past the end of the attribute"},
    {0x08, "InsufficientAuthorization", "the peer's application did not authorize it"},
    {0x09, "PrepareQueueFull", "too many prepared writes are queued at the peer"},
    {0x0a, "AttributeNotFound", "there is no such attribute there (to subscribe: no CCCD)"},
    {0x0b, "AttributeNotLong", "the attribute cannot be read in parts"},
    {0x0c, "EncryptionKeySizeTooShort", "the encryption key of the link is too short"},
    {0x0d, "InvalidAttributeValueLength", "the value has a length that the attribute refuses"},
    {0x0e, "UnlikelyError", "the peer failed for a reason that has no code"},
    {0x0f, "InsufficientEncryption", "the link must be encrypted first"},
    {0x10, "UnsupportedGroupType", "the attribute type cannot be grouped by"},
    {0x11, "InsufficientResources", "the peer is out of resources"},
    {0x12, "DatabaseOutOfSync", "the peer's services have changed: discover them again"},
    {0x13, "ValueNotAllowed", "the value is not allowed"},
};

/* Core 5.4, Vol 1, Part F, 1.3 */
static const struct row HCI[] = {
    {0x01, "UnknownHciCommand", "the controller does not know the command"},
    {0x02, "UnknownConnectionIdentifier", "the controller knows no such connection"},
    {0x03, "HardwareFailure", "the controller's hardware failed"},
    {0x04, "PageTimeout", "the page timed out"},
    {0x05, "AuthenticationFailure", "authentication failed: the keys do not match"},
    {0x06, "PinOrKeyMissing", "the peer has lost its key: delete the bond and pair again"},
    {0x07, "MemoryCapacityExceeded", "the controller has no memory left for it"},
    {0x08, "ConnectionTimeout", "the peer has not been heard for the supervision timeout"},
    {0x09, "ConnectionLimitExceeded", "the controller has no room for another connection"},
    {0x0a, "SynchronousConnectionLimitToADeviceExceeded",
     "too many synchronous connections to one device"},
    {0x0b, "ConnectionAlreadyExists", "there is a connection to this device already"},
    {0x0c, "CommandDisallowed", "the controller cannot do this in its present state"},
    {0x0d, "ConnectionRejectedDueToLimitedResources", "refused for lack of resources"},
    {0x0e, "ConnectionRejectedDueToSecurityReasons", "refused for security reasons"},
    {0x0f, "ConnectionRejectedDueToUnacceptableBdAddr", "refused because of the address"},
    {0x10, "ConnectionAcceptTimeoutExceeded", "nobody accepted the connection in time"},
    {0x11, "UnsupportedFeatureOrParameterValue",
     "the controller does not support the feature or value"},
    {0x12, "InvalidHciCommandParameters", "the controller refused the command's parameters"},
    {0x13, "RemoteUserTerminatedConnection", "the peer closed the connection"},
    {0x14, "RemoteDeviceTerminatedConnectionDueToLowResources",
     "the peer closed the connection for lack of resources"},
    {0x15, "RemoteDeviceTerminatedConnectionDueToPowerOff", "the peer is switching off"},
    {0x16, "ConnectionTerminatedByLocalHost", "the connection was closed from here"},
    {0x17, "RepeatedAttempts", "tried again too soon"},
    {0x18, "PairingNotAllowed", "the peer does not allow pairing"},
    {0x19, "UnknownLmpPdu", "an unknown link manager message"},
    {0x1a, "UnsupportedRemoteFeature", "the peer does not support the feature"},
    {0x1b, "ScoOffsetRejected", "the SCO offset was rejected"},
    {0x1c, "ScoIntervalRejected", "the SCO interval was rejected"},
    {0x1d, "ScoAirModeRejected", "the SCO air mode was rejected"},
    {0x1e, "InvalidLlParameters", "a link layer message had invalid parameters"},
    {0x1f, "Unspecified", "the controller failed for a reason that has no code"},
    {0x20, "UnsupportedLlParameterValue", "a link layer parameter is not supported"},
    {0x21, "RoleChangeNotAllowed", "the role cannot be changed"},
    {0x22, "LlResponseTimeout", "the peer's link layer did not answer in time"},
    {0x23, "LlProcedureCollision", "both sides began the same procedure: try again"},
    {0x24, "LmpPduNotAllowed", "a link manager message was not allowed"},
    {0x25, "EncryptionModeNotAcceptable", "the encryption mode is not acceptable"},
    {0x26, "LinkKeyCannotBeChanged", "the link key cannot be changed"},
    {0x27, "RequestedQosNotSupported", "the quality of service is not supported"},
    {0x28, "InstantPassed", "the instant of the change had passed: the link is bad"},
    {0x29, "PairingWithUnitKeyNotSupported", "pairing with a unit key is not supported"},
    {0x2a, "DifferentTransactionCollision", "another procedure is under way: try again"},
    {0x2c, "QosUnacceptableParameter", "a quality of service parameter is not acceptable"},
    {0x2d, "QosRejected", "the quality of service was rejected"},
    {0x2e, "ChannelClassificationNotSupported", "channel classification is not supported"},
    {0x2f, "InsufficientSecurity", "the link is not secure enough"},
    {0x30, "ParameterOutOfMandatoryRange", "a parameter is out of range"},
    {0x32, "RoleSwitchPending", "a role switch is pending"},
    {0x34, "ReservedSlotViolation", "a reserved slot was violated"},
    {0x35, "RoleSwitchFailed", "the role switch failed"},
    {0x36, "ExtendedInquiryResponseTooLarge", "the extended inquiry response is too large"},
    {0x37, "SecureSimplePairingNotSupportedByHost",
     "the peer's host does not support secure simple pairing"},
    {0x38, "HostBusyPairing", "the peer's host is busy pairing"},
    {0x39, "ConnectionRejectedDueToNoSuitableChannelFound", "no suitable channel was found"},
    {0x3a, "ControllerBusy", "the controller is busy: try again"},
    {0x3b, "UnacceptableConnectionParameters", "the connection parameters are not acceptable"},
    {0x3c, "AdvertisingTimeout", "the advertising time is over"},
    {0x3d, "ConnectionTerminatedDueToMicFailure",
     "the connection was closed because data did not decrypt: the keys do not match"},
    {0x3e, "ConnectionFailedToBeEstablished",
     "the peer did not answer the connection request: out of reach, or taken by another"},
    {0x40, "CoarseClockAdjustmentRejectedButWillTryToAdjustUsingClockDragging",
     "the coarse clock adjustment was rejected"},
    {0x41, "Type0SubmapNotDefined", "the type 0 submap is not defined"},
    {0x42, "UnknownAdvertisingIdentifier", "the controller knows no such advertising set"},
    {0x43, "LimitReached", "the limit of events or time was reached"},
    {0x44, "OperationCancelledByHost", "cancelled from here"},
    {0x45, "PacketTooLong", "the packet is too long for the controller"},
};

/* Core 5.4, Vol 3, Part H, 3.5.5 */
static const struct row SMP[] = {
    {0x01, "PasskeyEntryFailed",
     "the passkey was not entered: it was called off, or nobody is there to show or enter it "
     "(Attend)"},
    {0x02, "OobNotAvailable", "out-of-band data is needed and not there"},
    {0x03, "AuthenticationRequirements",
     "the security asked for cannot be had with the Io and mitm of both sides"},
    {0x04, "ConfirmValueFailed", "the passkeys or keys of the two sides differ"},
    {0x05, "PairingNotSupported", "the peer does not pair"},
    {0x06, "EncryptionKeySize", "the encryption key would be too short"},
    {0x07, "CommandNotSupported", "the peer does not support a pairing command"},
    {0x08, "UnspecifiedReason", "pairing failed for a reason that has no code"},
    {0x09, "RepeatedAttempts", "too little time has passed since the last attempt"},
    {0x0a, "InvalidParameters", "a pairing command had invalid parameters"},
    {0x0b, "DhKeyCheckFailed", "the Diffie-Hellman keys of the two sides differ"},
    {0x0c, "NumericComparisonFailed", "the numbers were said to differ"},
    {0x0d, "BrEdrPairingInProgress", "pairing is under way over BR/EDR"},
    {0x0e, "CrossTransportKeyDerivationGenerationNotAllowed",
     "keys of the other transport may not be derived"},
    {0x0f, "KeyRejected", "the peer refused a key"},
    {0x10, "Busy", "the peer is busy: try again"},
};

/* Core 5.4, Vol 3, Part A, 4.23 and 4.26 */
static const struct row L2CAP[] = {
    {0x02, "SpsmNotSupported", "nobody listens on this PSM at the peer"},
    {0x04, "NoResourcesAvailable", "the peer is out of resources"},
    {0x05, "InsufficientAuthentication",
     "the link is not encrypted, or not with an authenticated key: Pair (with mitm and an Io other "
     "than 3)"},
    {0x06, "InsufficientAuthorization", "the peer did not authorize it"},
    {0x07, "EncryptionKeySizeTooShort", "the encryption key of the link is too short"},
    {0x08, "InsufficientEncryption", "the link must be encrypted first"},
    {0x09, "InvalidSourceCid", "the channel number is invalid"},
    {0x0a, "SourceCidAlreadyAllocated", "the channel number is taken"},
    {0x0b, "UnacceptableParameters", "the peer does not accept the parameters"},
    {0x0c, "InvalidParameters", "the parameters are invalid"},
    {0x0d, "NoFurtherInformationAvailable", "the peer has not decided yet"},
    {0x0e, "AuthenticationPending", "authentication is under way at the peer"},
    {0x0f, "AuthorizationPending", "authorization is under way at the peer"},
};

static const struct row LOCAL[] = {
    {0x01, "Timeout", "it did not happen in time"},
    {0x02, "Canceled", "it was cancelled"},
    {0x03, "Disconnected", "the connection had gone"},
    {0x04, "NoResources", "bled is out of resources for it"},
    {0x05, "NotActive", "the adapter is not active"},
    {0x06, "NotSupported", "the controller does not support it"},
    {0x07, "ProtocolViolation", "the peer gave an answer that the specification does not allow"},
};

static const struct {
    const char *prefix, *what;
    const struct row *rows;
    size_t n;
} SPACES[] = {
    {"Att.", "ATT error", ATT, ARRAY_LEN(ATT)},
    {"Hci.", "HCI error", HCI, ARRAY_LEN(HCI)},
    {"Smp.", "SMP reason", SMP, ARRAY_LEN(SMP)},
    {"L2cap.", "L2CAP result", L2CAP, ARRAY_LEN(L2CAP)},
    {"", "status", LOCAL, ARRAY_LEN(LOCAL)},
};

static const struct row *find(bl_status status)
{
    size_t space = status >> 8;
    if (space >= ARRAY_LEN(SPACES))
        return NULL;
    for (size_t i = 0; i < SPACES[space].n; i++)
        if (SPACES[space].rows[i].code == (status & 0xff))
            return &SPACES[space].rows[i];
    return NULL;
}

const char *bus_error_name(bl_status status, char buf[static BUS_ERROR_NAME_LEN])
{
    size_t space = status >> 8;
    unsigned code = status & 0xff;
    const struct row *row = find(status);
    const char *prefix = space < ARRAY_LEN(SPACES) ? SPACES[space].prefix : "";

    if (row)
        snprintf(buf, BUS_ERROR_NAME_LEN, BUS_ERROR("%s%s"), prefix, row->name);
    else if (space == 0 && code >= 0x80 && code <= 0x9f)
        snprintf(buf, BUS_ERROR_NAME_LEN, BUS_ERROR("Att.Application%02X"), code);
    else if (space == 0 && code >= 0xe0)
        snprintf(buf, BUS_ERROR_NAME_LEN, BUS_ERROR("Att.Common%02X"), code);
    else
        snprintf(buf, BUS_ERROR_NAME_LEN, BUS_ERROR("%sUnknown%02X"), prefix, code);
    return buf;
}

const char *bus_error_text(bl_status status)
{
    const struct row *row = find(status);
    if (row)
        return row->text;
    if (status >= 0x80 && status <= 0x9f)
        return "the peer's application gave an error of its own";
    if (status >= 0xe0 && status <= 0xff)
        return "the service refused it for a reason that its profile defines";
    return "a code that the specification does not name";
}

static int errno_of(bl_status status)
{
    switch (status) {
    case BL_TIMEOUT:
        return -ETIMEDOUT;
    case BL_CANCELED:
        return -ECANCELED;
    case BL_NOT_SUPPORTED:
        return -EOPNOTSUPP;
    default:
        return -EIO;
    }
}

void bus_text_trim(char *text)
{
    size_t n = strlen(text), last = n;

    while (last > 0 && ((unsigned char)text[last - 1] & 0xc0) == 0x80)
        last--;
    if (last == 0)
        return;
    unsigned char lead = (unsigned char)text[last - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (n - (last - 1) < need)
        text[last - 1] = '\0';
}

/* Sets "<what>: <text> (<kind> 0xNN)." under `name`. */
__attribute__((format(printf, 4, 0))) static void set_sentence(sd_bus_error *error,
                                                               const char *name, bl_status status,
                                                               const char *format, va_list ap)
{
    size_t space = status >> 8;
    char what[256];
    vsnprintf(what, sizeof(what), format, ap);
    bus_text_trim(what);
    if (space < ARRAY_LEN(SPACES) - 1)
        sd_bus_error_setf(error, name, "%s: %s (%s 0x%02x).", what, bus_error_text(status),
                          SPACES[space].what, status & 0xff);
    else
        sd_bus_error_setf(error, name, "%s: %s (status 0x%03x).", what, bus_error_text(status),
                          status);
}

int bus_error_statusv(sd_bus_error *error, bl_status status, const char *format, va_list ap)
{
    char buf[BUS_ERROR_NAME_LEN];
    set_sentence(error, bus_error_name(status, buf), status, format, ap);
    return errno_of(status);
}

int bus_error_disconnectedv(sd_bus_error *error, bl_status status, const char *format, va_list ap)
{
    set_sentence(error, BUS_DISCONNECTED, status, format, ap);
    return -ENOTCONN;
}

int bus_error_status(sd_bus_error *error, bl_status status, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int r = bus_error_statusv(error, status, format, ap);
    va_end(ap);
    return r;
}

static const struct {
    int error;
    const char *name, *text;
} ERRNOS[] = {
    {-EINVAL, SD_BUS_ERROR_INVALID_ARGS, "an argument is out of range"},
    {-ERANGE, SD_BUS_ERROR_INVALID_ARGS, "an argument is out of range"},
    {-EMSGSIZE, SD_BUS_ERROR_INVALID_ARGS, "the data is too long"},
    {-ENETDOWN, BUS_NOT_ACTIVE, "the adapter is not active"},
    {-ENOTCONN, BUS_NOT_CONNECTED, "there is no such connection"},
    {-EALREADY, BUS_ALREADY_CONNECTED, "it is connected already, or an attempt is under way"},
    {-ENOENT, BUS_NOT_FOUND, "there is no such thing"},
    {-EBUSY, BUS_BUSY, "what it takes is in use"},
    {-EOPNOTSUPP, BUS_NOT_SUPPORTED, "the controller does not support it"},
    {-ENOBUFS, BUS_NO_RESOURCES, "bled is out of resources for it"},
    {-EMFILE, BUS_NO_RESOURCES, "bled has too many files open"},
    {-EACCES, SD_BUS_ERROR_ACCESS_DENIED, "it belongs to someone else"},
    {-EPERM, SD_BUS_ERROR_ACCESS_DENIED, "it is not permitted"},
    {-ETIMEDOUT, BUS_TIMEOUT, "it did not happen in time"},
    {-ECANCELED, BUS_CANCELED, "it was cancelled"},
    {-ENOMEM, SD_BUS_ERROR_NO_MEMORY, "there is no memory for it"},
};

int bus_error_errno(sd_bus_error *error, int r, const char *format, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, format);
    vsnprintf(what, sizeof(what), format, ap);
    bus_text_trim(what);
    va_end(ap);

    for (size_t i = 0; i < ARRAY_LEN(ERRNOS); i++) {
        if (ERRNOS[i].error != r)
            continue;
        sd_bus_error_setf(error, ERRNOS[i].name, "%s: %s.", what, ERRNOS[i].text);
        return r;
    }
    sd_bus_error_setf(error, SD_BUS_ERROR_FAILED, "%s: failed (errno %d).", what, -r);
    return r;
}

__attribute__((format(printf, 3, 0))) static void set_text(sd_bus_error *error, const char *name,
                                                           const char *format, va_list ap)
{
    char text[320];
    vsnprintf(text, sizeof(text), format, ap);
    bus_text_trim(text);
    sd_bus_error_set(error, name, text);
}

int bus_error_set(sd_bus_error *error, const char *name, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    set_text(error, name, format, ap);
    va_end(ap);
    return -EIO;
}

int bus_error_invalid(sd_bus_error *error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    set_text(error, SD_BUS_ERROR_INVALID_ARGS, format, ap);
    va_end(ap);
    return -EINVAL;
}

int bus_error_access(sd_bus_error *error, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    set_text(error, SD_BUS_ERROR_ACCESS_DENIED, format, ap);
    va_end(ap);
    return -EACCES;
}
