# SPDX-License-Identifier: MIT
from .adapter import Adapter, Advertising, Always, Capture, SecretStore
from .core import Signal
from .errors import *  # noqa: F401,F403
from .link import Connecting, Link, Person
from .remote import (Notifications, RemoteCharacteristic, RemoteDescriptor, RemoteService, Writer)
from .scan import Scan
from .server import (Characteristic, Descriptor, LocalAttribute, LocalCharacteristic, Serving,
                     Trigger, Writes, characteristic, descriptor, service, simple_service)
from .stream import Stream
from .types import (PUBLIC, RANDOM, AddrMode, Advertiser, AdvertisingData, Bond, Event, Flag, Io,
                    Oob, Report, Security, uuid)
