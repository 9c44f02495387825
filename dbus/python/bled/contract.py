# SPDX-License-Identifier: MIT
"""The D-Bus contract of bled as tables: signatures, types of options, and where the package has it.

A test compares the names and signatures with dbus/interfaces/*.xml, both ways, and looks up every
place that is named here: nothing of the contract is out of reach. Interfaces stand without their
prefix org.bled.
"""
from __future__ import annotations

from typing import Dict, Tuple

PREFIX = "org.bled."
LOG = "org.freedesktop.LogControl1"

#: method: (arguments, results, where it is in the package)
METHODS: Dict[str, Tuple[str, str, str]] = {
    "Adapter1.SetActive": ("ba{sv}", "", "Adapter.set_active"),
    "Adapter1.Attach": ("a{sv}", "", "Adapter.open"),
    "Adapter1.Detach": ("", "", "Adapter.close"),
    "Adapter1.Reset": ("a{sv}", "", "Adapter.reset"),
    "Adapter1.Stats": ("", "a{st}", "Adapter.stats"),
    "Adapter1.HciCommand": ("qqay", "yay", "Adapter.hci_command"),
    "Adapter1.StartCapture": ("ha{sv}", "", "Adapter.capture"),
    "Adapter1.StopCapture": ("", "", "Adapter.capture"),
    "Broadcaster1.Advertise": ("ua{sv}", "y", "Adapter.advertise"),
    "Broadcaster1.StopAdvertising": ("y", "", "Advertising.stop"),
    "Central1.Connect": ("ysa{sv}", "q", "Adapter.connect"),
    "Central1.CancelConnect": ("ys", "", "Adapter.cancel_connect"),
    "Characteristic1.SetValue": ("v", "", "LocalCharacteristic.set_value"),
    "Characteristic1.SetTrigger": ("u", "", "LocalCharacteristic.trigger"),
    "Characteristic1.Events": ("", "u", "LocalCharacteristic.events"),
    "GattClient1.DiscoverServices": ("qsa{sv}", "a(qqs)", "Link.services"),
    "GattClient1.DiscoverCharacteristics": ("qqqsa{sv}", "a(qqqs)", "RemoteService.characteristics"),
    "GattClient1.DiscoverDescriptors": ("qqqa{sv}", "a(qs)", "RemoteCharacteristic.descriptors"),
    "GattClient1.DiscoverIncludes": ("qqqa{sv}", "a(qqqs)", "RemoteService.includes"),
    "GattClient1.Read": ("qqa{sv}", "ay", "RemoteCharacteristic.read"),
    "GattClient1.ReadByUuid": ("qqqsa{sv}", "a(qay)", "Link.read_by_uuid"),
    "GattClient1.ReadMultiple": ("qaqa{sv}", "aay", "Link.read_multiple"),
    "GattClient1.Write": ("qqayya{sv}", "", "RemoteCharacteristic.write"),
    "GattClient1.ExchangeMtu": ("qa{sv}", "q", "Link.exchange_mtu"),
    "GattClient1.Subscribe": ("qqya{sv}", "", "RemoteCharacteristic.subscribe"),
    "GattClient1.ListenFor": ("qqua{sv}", "aay", "RemoteCharacteristic.listen_for"),
    "GattClient1.AcquireWrite": ("qqa{sv}", "hq", "RemoteCharacteristic.writer"),
    "GattClient1.AcquireNotify": ("qqa{sv}", "hq", "RemoteCharacteristic.notifications"),
    "GattServer1.RegisterServices": ("a(sa(sua(su)))a{sv}", "aaq", "Adapter.register_services"),
    "GattServer1.AddService": ("saa{sv}a{sv}", "qaq", "Adapter.serve"),
    "GattServer1.AddCharacteristic": ("qa{sv}", "aq", "Serving.add"),
    "GattServer1.RemoveService": ("q", "", "Serving.stop"),
    "GattServer1.Read": ("q", "ay", "LocalCharacteristic.read"),
    "GattServer1.Write": ("qayb", "", "LocalCharacteristic.write"),
    "GattServer1.SetBuffer": ("qub", "", "LocalCharacteristic.set_buffer"),
    "GattServer1.Notify": ("qqa{sv}", "q", "LocalCharacteristic.notify"),
    "GattServer1.Indicate": ("qqa{sv}", "q", "LocalCharacteristic.indicate"),
    "GattServer1.SetAuthorization": ("qbbq", "", "LocalCharacteristic.set_authorization"),
    "GattServer1.Reply": ("uqa{sv}", "", "Characteristic.on_read"),
    "GattServer1.AcquireWrites": ("qqa{sv}", "hq", "LocalCharacteristic.writes"),
    "GattServer1.AcquireNotify": ("qqa{sv}", "hq", "LocalCharacteristic.notifier"),
    "Link1.Disconnect": ("qa{sv}", "b", "Link.disconnect"),
    "Link1.UpdateParameters": ("qa{sv}", "qqq", "Link.update_parameters"),
    "Link1.ReadRssi": ("q", "n", "Link.rssi"),
    "Link1.SetPhy": ("qa{sv}", "ss", "Link.set_phy"),
    "Link1.SetDataLength": ("qq", "", "Link.set_data_length"),
    "Link1.Stats": ("q", "a{st}", "Link.stats"),
    "Manager1.Clients": ("", "a(sua{sv})", "Adapter.clients"),
    "Observer1.Scan": ("ua{sv}", "", "Adapter.scan"),
    "Observer1.StopScan": ("", "", "Scan.stop"),
    "Observer1.Discover": ("ua{sv}", "a(ysbna{sv})", "Adapter.discover"),
    "Observer1.AcquireScan": ("ua{sv}", "h", "Adapter.scan"),
    "Pairing1.Pair": ("qa{sv}", "bbby", "Link.pair"),
    "Pairing1.Passkey": ("qyu", "", "Person"),
    "Pairing1.Keypress": ("qy", "", "Link.keypress"),
    "Pairing1.Attend": ("a{sv}", "", "Adapter.attend"),
    "Pairing1.SetOob": ("ysa{sv}", "", "Adapter.set_oob"),
    "Pairing1.GetOob": ("a{sv}", "a{sv}", "Adapter.oob"),
    "Pairing1.ListBonds": ("", "a(ysa{sv})", "Adapter.bonds"),
    "Pairing1.DeleteBond": ("ys", "", "Adapter.delete_bond"),
    "Pairing1.ProvideSecrets": ("a{sv}", "", "Adapter.provide_secrets"),
    "Pairing1.Reply": ("ubay", "", "Adapter.provide_secrets"),
}

#: signal: (arguments, where the package turns it into something; Adapter.signals has them all)
SIGNALS: Dict[str, Tuple[str, str]] = {
    "Adapter1.Failed": ("s", "Adapter.signals"),
    "Broadcaster1.AdvertisingStopped": ("yq", "Advertising.stopped"),
    "Central1.PeripheralConnected": ("qys", "Adapter.connect"),
    "Central1.PeripheralDisconnected": ("qys", "Link.disconnected"),
    "Characteristic1.Event": ("uqay", "LocalCharacteristic.trigger"),
    "GattClient1.ServiceResult": ("qqqs", "Adapter.signals"),
    "GattClient1.ServiceDone": ("qq", "Adapter.signals"),
    "GattClient1.CharacteristicResult": ("qqqqs", "Adapter.signals"),
    "GattClient1.CharacteristicDone": ("qq", "Adapter.signals"),
    "GattClient1.DescriptorResult": ("qqs", "Adapter.signals"),
    "GattClient1.DescriptorDone": ("qq", "Adapter.signals"),
    "GattClient1.IncludeResult": ("qqqqs", "Adapter.signals"),
    "GattClient1.IncludeDone": ("qq", "Adapter.signals"),
    "GattClient1.ReadResult": ("qqay", "Adapter.signals"),
    "GattClient1.ReadDone": ("qqq", "Adapter.signals"),
    "GattClient1.WriteDone": ("qqq", "Adapter.signals"),
    "GattClient1.Notified": ("qqay", "RemoteCharacteristic.notifications"),
    "GattClient1.Indicated": ("qqay", "RemoteCharacteristic.notifications"),
    "GattClient1.MtuExchanged": ("qq", "Link.mtu"),
    "GattClient1.ServicesChanged": ("qqq", "Link.services_changed"),
    "GattServer1.Written": ("qqay", "Characteristic.on_written"),
    "GattServer1.ReadRequested": ("uqq", "Characteristic.on_read"),
    "GattServer1.WriteRequested": ("uqqay", "Characteristic.on_write"),
    "GattServer1.IndicateDone": ("qqq", "Adapter.signals"),
    "GattServer1.Subscribed": ("qqy", "Characteristic.on_subscribe"),
    "Link1.ConnectionUpdated": ("qqqqq", "Link.interval"),
    "Link1.Disconnected": ("qq", "Link.disconnected"),
    "Observer1.ScanResult": ("ysynay", "Adapter.scan"),
    "Observer1.ScanResults": ("a(ysynay)", "Adapter.scan"),
    "Observer1.ExtendedScanResult": ("ysa{sv}", "Adapter.scan"),
    "Observer1.ScanDone": ("", "Adapter.scan"),
    "Pairing1.EncryptionUpdated": ("qbbby", "Link.encrypted"),
    "Pairing1.PairingFailed": ("qq", "Adapter.signals"),
    "Pairing1.PasskeyAction": ("qyu", "Person"),
    "Pairing1.KeypressReceived": ("qy", "Person"),
    "Pairing1.BondAdded": ("ys", "Adapter.signals"),
    "Pairing1.BondRemoved": ("ys", "Adapter.signals"),
    "Pairing1.SecretRequested": ("uiibay", "Adapter.provide_secrets"),
    "Pairing1.SecretStored": ("uiaybay", "Adapter.provide_secrets"),
    "Peripheral1.CentralConnected": ("qys", "Adapter.incoming"),
    "Peripheral1.CentralDisconnected": ("qys", "Link.disconnected"),
}

#: property: (type, whether it can be set, where it is in the package)
PROPERTIES: Dict[str, Tuple[str, bool, str]] = {
    "Adapter1.Active": ("b", False, "Adapter.active"),
    "Adapter1.Mac": ("(ys)", False, "Adapter.mac"),
    "Adapter1.Identity": ("(ys)", False, "Adapter.identity"),
    "Adapter1.Transport": ("s", False, "Adapter.transport"),
    "Adapter1.Manufacturer": ("s", False, "Adapter.manufacturer"),
    "Adapter1.ManufacturerId": ("q", False, "Adapter.manufacturer_id"),
    "Adapter1.HciVersion": ("y", False, "Adapter.hci_version"),
    "Adapter1.Features": ("as", False, "Adapter.features"),
    "Adapter1.AddrMode": ("y", True, "Adapter.addr_mode"),
    "Adapter1.GapName": ("s", True, "Adapter.gap_name"),
    "Adapter1.Appearance": ("q", True, "Adapter.appearance"),
    "Adapter1.RxBuf": ("u", True, "Adapter.rx_buf"),
    "Adapter1.Mtu": ("q", True, "Adapter.mtu"),
    "Adapter1.Bond": ("b", True, "Adapter.bond"),
    "Adapter1.Mitm": ("b", True, "Adapter.mitm"),
    "Adapter1.Io": ("y", True, "Adapter.io"),
    "Adapter1.LeSecure": ("b", True, "Adapter.le_secure"),
    "Adapter1.Pairable": ("b", True, "Adapter.pairable"),
    "Adapter1.PairableTimeout": ("u", True, "Adapter.pairable_timeout"),
    "Characteristic1.Uuid": ("s", False, "LocalCharacteristic.uuid"),
    "Characteristic1.Service": ("s", False, "LocalCharacteristic.service"),
    "Characteristic1.Handle": ("q", False, "LocalCharacteristic.handle"),
    "Characteristic1.Flags": ("u", False, "LocalCharacteristic.flags"),
    "Characteristic1.Owner": ("s", False, "LocalCharacteristic.owner"),
    "Characteristic1.Subscribers": ("aq", False, "LocalCharacteristic.subscribers"),
    "Characteristic1.Value": ("ay", True, "LocalCharacteristic.value"),
    "Connection1.Conn": ("q", False, "Link.conn"),
    "Connection1.HciHandle": ("q", False, "Link.hci_handle"),
    "Connection1.PeerAddress": ("s", False, "Link.address"),
    "Connection1.PeerAddressType": ("y", False, "Link.address_type"),
    "Connection1.IdentityAddress": ("s", False, "Link.identity"),
    "Connection1.IdentityAddressType": ("y", False, "Link.identity"),
    "Connection1.Role": ("s", False, "Link.role"),
    "Connection1.Owner": ("s", False, "Link.owner"),
    "Connection1.Mtu": ("q", False, "Link.mtu"),
    "Connection1.Interval": ("q", False, "Link.interval"),
    "Connection1.Latency": ("q", False, "Link.latency"),
    "Connection1.SupervisionTimeout": ("q", False, "Link.supervision_timeout"),
    "Connection1.TxPhy": ("s", False, "Link.tx_phy"),
    "Connection1.RxPhy": ("s", False, "Link.rx_phy"),
    "Connection1.Encrypted": ("b", False, "Link.encrypted"),
    "Connection1.Authenticated": ("b", False, "Link.authenticated"),
    "Connection1.Bonded": ("b", False, "Link.bonded"),
    "Connection1.KeySize": ("y", False, "Link.key_size"),
    "Connection1.ConnectedSince": ("t", False, "Link.connected_since"),
    "Manager1.Version": ("s", False, "Adapter.version"),
    "Manager1.Adapters": ("ao", False, "Adapter.adapters"),
    "Manager1.DefaultAdapter": ("o", False, "Adapter.default_adapter"),
    "org.freedesktop.LogControl1.LogLevel": ("s", True, "Adapter.log_level"),
    "org.freedesktop.LogControl1.LogTarget": ("s", True, "Adapter.log_target"),
    "org.freedesktop.LogControl1.SyslogIdentifier": ("s", False, "Adapter.syslog_identifier"),
}


def _types(text: str) -> Dict[str, str]:
    """"active:b phys:as" as a dictionary."""
    return dict(entry.split(":") for entry in text.split())


_WAIT = "wait:b "
_SCAN = _WAIT + """interval_us:u window_us:u active:b filter_duplicates:b phys:as addr_mode:y
    services:as name_prefix:s addresses:a(ys) manufacturers:aq rssi_min:n"""
_PARAMETERS = """min_conn_interval_us:u max_conn_interval_us:u latency:q
    supervision_timeout_ms:u"""
_AUTHORIZE = " authorize_reads:b authorize_writes:b read_events:b"

#: What a characteristic of AddService is made of, and its descriptors.
CHARACTERISTIC = _types("uuid:s flags:u value:ay max_len:q append:b descriptors:aa{sv}"
                        + _AUTHORIZE)

#: method: the types of its options
OPTIONS: Dict[str, Dict[str, str]] = {name: _types(text) for name, text in {
    "Adapter1.SetActive": _WAIT + "force:b",
    "Adapter1.Attach": _WAIT + "active:b" + _AUTHORIZE,
    "Adapter1.Reset": _WAIT + "force:b",
    "Adapter1.StartCapture": _WAIT + "keys:b snaplen:u",
    "Broadcaster1.Advertise": _WAIT + """adv_data:ay resp_data:ay connectable:b scannable:b name:s
        services:as appearance:q manufacturer_data:a{qay} service_data:a{say} tx_power:b set:y
        resume:b extended:b primary_phy:s secondary_phy:s sid:y directed:(ys) duration_ms:u
        addr_mode:y""",
    "Central1.Connect": _WAIT + "scan_duration_ms:u phys:as addr_mode:y auto:b " + _PARAMETERS,
    "GattClient1.DiscoverServices": _WAIT,
    "GattClient1.DiscoverCharacteristics": _WAIT,
    "GattClient1.DiscoverDescriptors": _WAIT,
    "GattClient1.DiscoverIncludes": _WAIT,
    "GattClient1.Read": _WAIT + "offset:q long:b",
    "GattClient1.ReadByUuid": _WAIT,
    "GattClient1.ReadMultiple": _WAIT,
    "GattClient1.Write": _WAIT + "offset:q",
    "GattClient1.ExchangeMtu": _WAIT + "mtu:q",
    "GattClient1.Subscribe": _WAIT,
    "GattClient1.ListenFor": _WAIT + "timeout_ms:u",
    "GattClient1.AcquireWrite": _WAIT,
    "GattClient1.AcquireNotify": _WAIT + "bits:y",
    "GattServer1.RegisterServices": _WAIT + _AUTHORIZE,
    "GattServer1.AddService": _WAIT + "primary:b includes:aq handle:q",
    "GattServer1.Notify": _WAIT + "value:ay",
    "GattServer1.Indicate": _WAIT + "value:ay",
    "GattServer1.Reply": _WAIT + "value:ay",
    "GattServer1.AcquireWrites": _WAIT,
    "GattServer1.AcquireNotify": _WAIT,
    "Link1.Disconnect": _WAIT + "force:b reason:y",
    "Link1.UpdateParameters": _WAIT + _PARAMETERS,
    "Link1.SetPhy": _WAIT + "tx:as rx:as",
    "Observer1.Scan": _SCAN + " batch_ms:u",
    "Observer1.Discover": _SCAN + " limit:u",
    "Observer1.AcquireScan": _SCAN,
    "Pairing1.Pair": _WAIT + "bond:b mitm:b le_secure:b io:y passkey:u security:y",
    "Pairing1.Attend": _WAIT + "draw:b",
    "Pairing1.SetOob": _WAIT + "tk:ay r:ay c:ay",
    "Pairing1.GetOob": _WAIT,
    "Pairing1.ProvideSecrets": _WAIT,
}.items()}
