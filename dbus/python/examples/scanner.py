#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who is on the air: a line for each report, for some seconds."""
import argparse
import asyncio

import bled


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=5)
    parser.add_argument("--service", action="append", help="only who offers this UUID")
    parser.add_argument("--bus", help="system, session or an address")
    parser.add_argument("--bus-name", default="org.bled")
    args = parser.parse_args()
    async with bled.Adapter(bus=args.bus, bus_name=args.bus_name) as ble:
        async for report in ble.scan(args.seconds, active=True, filter_duplicates=True,
                                     services=args.service):
            print(f"{report.address} {'random' if report.address_type else 'public'} "
                  f"{report.rssi} dBm {report.name or '(no name)'} {' '.join(report.services)}",
                  flush=True)


asyncio.run(main())
