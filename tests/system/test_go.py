"""The Go package: its generated half is up to date, and its own tests run between two daemons."""
import asyncio
import os
import pathlib
import shutil
import subprocess
import sys

from bledtest import DEADLINE, World, main

GO = pathlib.Path(__file__).parents[2] / "dbus/go"
DEBIAN = pathlib.Path("/usr/share/gocode/src/github.com/godbus/dbus")  # golang-dbus-dev


def workspace(directory):
    """A GOPATH with the package, and Debian's godbus by its name of today."""
    source = directory / "go/src"
    (source / "github.com/godbus/dbus").mkdir(parents=True)
    (source / "github.com/godbus/dbus/v5").symlink_to(DEBIAN)
    shutil.copytree(GO / "bled", source / "bled")
    cache = os.environ.get("GOCACHE") or str(pathlib.Path(os.environ.get("BUILD", str(directory))) / "go-cache")
    return source, {**os.environ, "GO111MODULE": "off", "GOPATH": str(directory / "go"), "GOCACHE": cache,
                    "GOFLAGS": "", "CGO_ENABLED": "0"}


async def go(env, where, *args):
    process = await asyncio.create_subprocess_exec("go", *args, cwd=where, env=env, stdout=subprocess.PIPE,
                                                   stderr=subprocess.STDOUT)
    out, _ = await asyncio.wait_for(process.communicate(), 10 * DEADLINE)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_generated_half_is_that_of_the_interface_files():
    made = subprocess.run([sys.executable, str(GO / "generate.py"), str(GO.parent / "interfaces")], capture_output=True,
                          text=True, check=True).stdout
    formatted = subprocess.run(["gofmt"], input=made, capture_output=True, text=True, check=True).stdout
    assert formatted == (GO / "bled/api.go").read_text(), "run dbus/go/generate.py and gofmt"
    assert subprocess.run(["gofmt", "-l", str(GO)], capture_output=True, text=True, check=True).stdout == ""


async def test_the_package_between_two_daemons():
    async with World() as world:
        await world.bled("a", adapters=["unix:" + world.hci(0)])
        await world.bled("b", adapters=["unix:" + world.hci(1)])
        source, env = workspace(world.dir)
        env["BLED_BUS"] = world.address
        out = await go(env, source / "bled", "test", "-count=1", "-v", ".")
        assert out.count("--- PASS") == 12 and "--- SKIP" not in out, out
        await go(env, source / "bled", "vet", ".")


async def test_the_examples_run():
    async with World() as world:
        await world.bled("a", adapters=["unix:" + world.hci(0)])
        b = await world.bled("b", adapters=["unix:" + world.hci(1)])
        source, env = workspace(world.dir)
        for name in ("scanner", "heartrate"):
            await go(env, source, "build", "-o", str(world.dir / name), str(GO / "examples" / name / "main.go"))
        sensor = await world.spawn(world.dir / "heartrate", "-bus", world.address, "-bus-name", b.name, tag="heartrate",
                                   stdout=subprocess.PIPE)
        assert (await asyncio.wait_for(sensor.stdout.readline(), DEADLINE)) == b"advertising\n"
        scanner = await world.spawn(world.dir / "scanner", "-bus", world.address, "-time", "10s", tag="scanner",
                                    stdout=subprocess.PIPE)
        line = await asyncio.wait_for(scanner.stdout.readline(), DEADLINE)
        assert line.startswith((await b.address())[1].encode()) and b"47 6f 70 68 65 72" in line, line
        scanner.send_signal(2)
        assert await asyncio.wait_for(scanner.wait(), DEADLINE) == 0
        sensor.send_signal(2)
        assert await asyncio.wait_for(sensor.wait(), DEADLINE) == 0
        sensor = await world.spawn(world.dir / "heartrate", "-bus", world.address, "-bus-name", b.name, tag="heartrate",
                                   stdout=subprocess.PIPE)
        assert (await asyncio.wait_for(sensor.stdout.readline(), DEADLINE)) == b"advertising\n"
        await b.stop()
        assert await asyncio.wait_for(sensor.wait(), DEADLINE) == 1
        assert "has gone" in sensor.log.text, sensor.log.text


if __name__ == "__main__":
    main(test_the_generated_half_is_that_of_the_interface_files, test_the_package_between_two_daemons,
         test_the_examples_run)
