/* SPDX-License-Identifier: MIT */

/* commands: the table: what `bledctl --help` and `bledctl COMMAND --help` say. */

#include "ctl.h"

const struct ctl_command ctl_commands[] = {
    {"status", "", "The daemon, its adapters and its clients",
     "Example: bledctl --json status | jq '.adapters[].Active'\n", cmd_status, false, true},
    {"list", "", "Connections and local characteristics", "Example: bledctl list\n", cmd_list,
     false, false},
    {"scan", "[OPTION...]", "Show who advertises",
     "On a terminal a table that is kept up to date; piped, a line a report.\n\n"
     "  -t, --time=SECONDS      else until Ctrl-C\n"
     "  -p, --passive           do not ask for scan responses\n"
     "  -n, --name=PREFIX       only devices with such a name,\n"
     "  -s, --service=UUID      such a service (or its name: heart-rate),\n"
     "  -A, --address=ADDRESS   this address,\n"
     "  -m, --manufacturer=ID   such manufacturer data (0x004c),\n"
     "  -r, --rssi=DBM          at least this strong (-70)\n"
     "      --coded             on the coded PHY as well\n\n"
     "Example: bledctl scan --time=10 --service=heart-rate\n",
     cmd_scan, false, false},
    {"advertise", "[OPTION...]", "Advertise until Ctrl-C",
     "  -n, --name=NAME\n"
     "  -s, --service=UUID      may be given several times\n"
     "  -m, --manufacturer=ID:HEX\n"
     "  -i, --interval=MS       default: 100\n"
     "  -t, --time=SECONDS      else until Ctrl-C\n"
     "      --broadcast         nobody can connect\n"
     "      --resume            go on after a connection\n"
     "      --set=N             one of several advertisements\n"
     "  -k, --keep              leave it to the daemon and return\n\n"
     "Without --keep, numbers of a pairing that a central begins are shown and asked for here.\n\n"
     "Example: bledctl advertise --name=Pi --service=180d --resume\n",
     cmd_advertise, false, false},
    {"connect", "[OPTION...] DEVICE", "Connect, and leave the connection to the daemon",
     "Prints the connection's number.\n\n"
     "  -t, --timeout=SECONDS   default: 10\n"
     "      --auto              go on trying, also after a disconnection\n\n"
     "Example: bledctl connect C0:11:22:33:44:55,random\n",
     cmd_connect, false, false},
    {"disconnect", "[--force] DEVICE", "End a connection",
     "  -f, --force             also where other programs use it\n\n"
     "Example: bledctl disconnect 1\n",
     cmd_disconnect, false, false},
    {"services", "DEVICE", "The peer's services, characteristics and descriptors",
     "Example: bledctl services C0:11:22:33:44:55\n", cmd_services, false, false},
    {"read", "[OPTION...] DEVICE CHARACTERISTIC", "Read a value",
     "CHARACTERISTIC is a handle (21, 0x0015), a UUID (2a19) or its name (battery-level).\n"
     "Connects for as long as it takes, where there is no connection.\n\n"
     "  -x, --hex   -t, --text   --number (little-endian)   --raw (as it is)\n\n"
     "Example: bledctl read C0:11:22:33:44:55 battery-level --number\n",
     cmd_read, false, false},
    {"write", "[OPTION...] DEVICE CHARACTERISTIC VALUE", "Write a value",
     "VALUE is hex digits; - is standard input.\n\n"
     "  -t, --text              VALUE is the text itself\n"
     "      --number            VALUE is a number, written little-endian\n"
     "  -s, --size=OCTETS       of the number: 1 to 8\n"
     "      --command           without response\n"
     "      --reliable          prepared, compared, executed\n"
     "      --signed            signed with the bond's key\n\n"
     "Example: bledctl write C0:11:22:33:44:55 2a06 02 --command\n",
     cmd_write, false, false},
    {"subscribe", "[OPTION...] DEVICE CHARACTERISTIC", "Print values as they come",
     "  -n, --count=N           end after N of them\n"
     "      --indicate          indications where there are both\n"
     "  -x, --hex   -t, --text   --number   --raw\n\n"
     "Example: bledctl subscribe C0:11:22:33:44:55 heart-rate-measurement\n",
     cmd_subscribe, false, false},
    {"serve", "FILE", "Be a GATT server out of a file, until Ctrl-C",
     "The file is JSON:\n\n"
     "  {\"advertise\": {\"name\": \"Pi\", \"services\": [\"180d\"]},\n"
     "   \"services\": [{\"uuid\": \"180d\", \"characteristics\": [\n"
     "     {\"uuid\": \"2a37\", \"flags\": [\"read\", \"notify\"], \"value\": \"003c\",\n"
     "      \"descriptors\": [{\"uuid\": \"2901\", \"flags\": [\"read\"], \"text\": "
     "\"bpm\"}]}]}]}\n\n"
     "Prints what peers write. A line `2a37 00 3d` on standard input sets a value and\n"
     "notifies who subscribed.\n\n"
     "Example: bledctl serve heart-rate.json\n",
     cmd_serve, false, false},
    {"pair", "[OPTION...] DEVICE | --wait", "Pair, asking for numbers at the terminal",
     "  -w, --wait              answer what others begin, until Ctrl-C\n"
     "      --mitm              with protection against a man in the middle, or not at all\n"
     "      --no-mitm           without; default: asked for where there is a terminal\n"
     "      --secure            Secure Connections or nothing\n"
     "      --no-bond           keep no keys\n"
     "      --io=KIND           display, yesno, keyboard, none, both\n"
     "      --passkey=DIGITS    the answer to what will be asked\n"
     "      --security=LEVEL    2 encrypted, 3 authenticated, 4 Secure Connections: the least\n\n"
     "Answers are read from standard input, which may be a pipe; with --json what is asked is an\n"
     "event PasskeyAction. --wait goes by the adapter's settings (`bledctl config Io 4`), and is\n"
     "not asked on connections of advertise, serve and other programs that answer themselves.\n\n"
     "Example: bledctl pair C0:11:22:33:44:55\n",
     cmd_pair, false, false},
    {"bonds", "", "Peers that keys are kept of", "Example: bledctl bonds\n", cmd_bonds, false,
     false},
    {"forget", "ADDRESS", "Delete a bond", "Example: bledctl forget C0:11:22:33:44:55\n",
     cmd_forget, false, false},
    {"l2cap", "[OPTION...] listen PSM | connect DEVICE PSM",
     "Standard input and output through a channel",
     "  -m, --mtu=OCTETS        the longest SDU we take: 23 to 65535; default: 2048\n"
     "  -s, --security=LEVEL    1 none, 2 encrypted, 3 authenticated, 4 Secure Connections\n"
     "  -e, --enhanced          the enhanced credit based mode\n"
     "  -w, --wait              at the end of standard input wait for the peer to close\n\n"
     "One channel; it is closed when standard input has ended and all of it has gone, or by the\n"
     "peer. With /dev/null as standard input the peer alone ends it.\n\n"
     "Example: bledctl l2cap listen 128 >file     bledctl l2cap connect Pi 128 <file\n",
     cmd_l2cap, false, false},
    {"monitor", "", "Print every event",
     "Events of what other programs own go to them alone.\n\nExample: bledctl monitor\n",
     cmd_monitor, false, true},
    {"capture", "[OPTION...] FILE", "HCI traffic in btsnoop format, until Ctrl-C",
     "FILE may be - where standard output is no terminal.\n\n"
     "      --keys              do not blank out keys\n"
     "  -s, --snaplen=OCTETS    of each packet\n\n"
     "Example: bledctl capture - | wireshark -k -i -\n",
     cmd_capture, false, false},
    {"config", "[NAME [VALUE]]", "The adapter's settings, until the daemon ends",
     "Example: bledctl config GapName Pi\n", cmd_config, false, false},
    {"stats", "[DEVICE]", "Counters of the adapter or of a connection",
     "Example: bledctl stats | grep dropped\n", cmd_stats, false, false},
    {"__complete", "adapters|commands|devices|uuids", NULL, "", cmd_complete, true, false},
};
const size_t ctl_n_commands = ARRAY_LEN(ctl_commands);
