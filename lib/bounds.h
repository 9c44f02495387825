/* SPDX-License-Identifier: MIT */
#pragma once

/* bounds: every bound on what a peer, a controller or a client can make the stack hold. */

enum {
    BL_MAX_LINKS = 64,     /* connections of one controller at once */
    BL_MAX_ADV = 64,       /* advertisements, shared out over the controller's sets */
    BL_MAX_SCANS = 64,     /* scans at once: a bit each in a report's mask */
    BL_MAX_ATTEMPTS = 64,  /* connection attempts waiting or under way */
    BL_MAX_OPS = 512,      /* commands to the host that have not ended */
    BL_EVENTS_FULL = 1024, /* events waiting; from here on input is held back */
    BL_MAX_EVENTS =
        45056, /* and there is room for what the end of everything brings then: every
                * subscription, indication, operation, connection, channel, pairing, bond */
    BL_MAX_REPORT_BYTES = 65536,  /* advertising reports waiting; more are counted as dropped */
    BL_MAX_ADV_LEGACY = 31,       /* Core 5.4, Vol 4, Part E, 7.8.7 */
    BL_MAX_ADV_EXTENDED = 1650,   /* Core 5.4, Vol 6, Part B, 2.3.4.9 */
    BL_MAX_ADV_CONNECTABLE = 251, /* one HCI fragment: connectable sets may not chain */
    BL_MAX_FILTER_ITEMS = 64,     /* of each kind in a scan's filter */
    BL_MAX_ADVERTISERS = 4096, /* remembered for filtering duplicates, the oldest forgotten first */
    BL_MAX_CHAINS = 64,        /* extended reports being joined at once */
    BL_MAX_COMMANDS = 128,     /* HCI commands waiting for the controller */
    BL_MAX_TX_PDUS = 64,       /* L2CAP PDUs queued on one connection, before back-pressure */
    BL_MAX_TX_WAIT = 256,      /* commands and notifications that wait for room on a connection */
    BL_MAX_INDICATIONS = 64,   /* indications that wait for their turn on a connection */
    BL_MAX_PROCEDURES = 64,    /* GATT client procedures waiting or under way on a connection */
    BL_MAX_READ_MULTIPLE = 64, /* handles in one bl_gattc_read_multiple() */
    BL_MAX_PREPARED = 128,     /* prepared writes queued by one client: Prepare Queue Full beyond */
    BL_MAX_PREPARED_BYTES = 4096,  /* their values' octets; 512 for one attribute */
    BL_MAX_EXECUTED_BYTES = 16384, /* of all values that one Execute Write stores */
    BL_MAX_HELD_COMMANDS = 16,     /* write commands of one client that wait for the application */
    BL_MAX_CCCDS = 256,            /* subscriptions of one client: Insufficient Resources beyond */
    BL_MAX_BONDS = 1024,           /* see smp/bonds.h for who makes room */
    BL_MAX_OOB = 16,               /* peers whose out-of-band data waits for a pairing */
    BL_MAX_L2CAP_PDU = 65535 + 4,
    BL_MAX_CHANNELS = 64,         /* of one connection: CIDs 0x0040..0x007f of LE */
    BL_MAX_CHANNEL_RX = 1 << 20,  /* octets promised to a connection's channels together, their
                                   * MTUs at the least; more if rx_buf is over half of that: No
                                   * Resources beyond */
    BL_MAX_CHANNEL_TX = 1 << 16,  /* octets of SDUs queued on a channel: with so many no more is
                                   * taken */
    BL_MAX_CHANNEL_FRAMES = 8,    /* K-frames of a connection in lib/hci's queue */
    BL_MAX_CHANNEL_REQUESTS = 64, /* of a peer that wait for an answer: No Resources beyond */
};
