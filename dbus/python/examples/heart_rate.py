#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A heart rate sensor: advertises, and notifies a beat a second to whoever subscribes."""
import argparse
import asyncio
import random

import bled


@bled.service("180d")
class HeartRate:
    measurement = bled.characteristic("2a37", notify=True)
    location = bled.characteristic("2a38", read=True, value=b"\x01")  # chest
    control = bled.characteristic("2a39", write=True)

    energy = 0

    @measurement.on_subscribe
    def subscribed(self, link: bled.Link, bits: int) -> None:
        print(f"{link.address} {'listens' if bits else 'listens no more'}", flush=True)

    @control.on_write
    async def reset(self, link: bled.Link, value: bytes) -> None:
        if value != b"\x01":
            raise bled.AttError.Application80  # Control Point Not Supported
        self.energy = 0


async def beat(heart: HeartRate, every: float) -> None:
    while True:
        await heart.measurement.notify(bytes([0, random.randrange(60, 80)]))
        heart.energy += 1
        await asyncio.sleep(every)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default="Heart")
    parser.add_argument("--every", type=float, default=1, help="seconds between beats")
    parser.add_argument("--bus", help="system, session or an address")
    parser.add_argument("--bus-name", default="org.bled")
    args = parser.parse_args()
    heart = HeartRate()
    async with bled.Adapter(bus=args.bus, bus_name=args.bus_name) as ble:
        async with ble.serve(heart), ble.advertise(name=args.name, services=["180d"],
                                                   resume=True) as advertising:
            print(f"advertising as {ble.mac[1]}", flush=True)
            beating = asyncio.create_task(beat(heart, args.every))
            try:
                async for link in advertising:
                    print(f"{link.address} connected", flush=True)
            finally:
                beating.cancel()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    pass
