#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Two people, an L2CAP channel: `chat.py` waits for somebody, `chat.py ADDRESS` calls."""
import argparse
import asyncio
import sys

import bled

PSM = 0x81


async def talk(channel: bled.Channel, lines: asyncio.StreamReader) -> None:
    async def hear() -> None:
        async for sdu in channel:
            print("> " + sdu.decode("utf-8", "replace"), flush=True)

    async def say() -> None:
        while line := await lines.readline():
            await channel.send(line.rstrip(b"\n")[:channel.peer_mtu])

    tasks = [asyncio.create_task(hear()), asyncio.create_task(say())]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address", nargs="?", help="who is to be called")
    parser.add_argument("--random", action="store_true", help="it is a random address")
    parser.add_argument("--bus", help="system, session or an address")
    parser.add_argument("--bus-name", default="org.bled")
    args = parser.parse_args()
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with bled.Adapter(bus=args.bus, bus_name=args.bus_name) as ble:
        if args.address:
            async with ble.connect(args.address, int(args.random), timeout=10) as link:
                async with await link.open_channel(PSM, 1024) as channel:
                    await talk(channel, lines)
        else:
            async with ble.listen(PSM, 1024) as listener, ble.advertise(name="chat"):
                print(f"waiting at {ble.mac[1]}", flush=True)
                async for channel in listener:
                    print(f"{channel.link.address} has come", flush=True)
                    async with channel:
                        await talk(channel, lines)
                    break


asyncio.run(main())
