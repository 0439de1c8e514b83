"""Opens WebSockets through the proxy, one after the other, and prints who answered, as JSON.

With "hold" it opens one, says so, and waits until it is closed. With "talk" it opens one and says on it what it reads, line by
line, and prints each answer."""

import asyncio
import collections
import json
import sys

import websockets

url, mode = sys.argv[1], sys.argv[2]


async def rounds(count):
    answered = collections.Counter()
    for number in range(count):
        async with websockets.connect(url, max_size=None) as connection:
            await connection.send(f"hello {number}")
            name, _, rest = (await connection.recv()).partition(":")
            assert rest == f"hello {number}", rest
            large = bytes(range(256)) * 4096
            await connection.send(large)
            assert await connection.recv() == large
            await connection.ping()
            answered[name] += 1
    print(json.dumps(answered))


async def hold():
    async with websockets.connect(url) as connection:
        await connection.send("hold")
        print(await connection.recv(), flush=True)
        try:
            await connection.recv()
        except websockets.ConnectionClosed:
            print("closed", flush=True)


async def talk():
    lines = asyncio.get_running_loop()
    async with websockets.connect(url, ping_interval=None) as connection:
        try:
            while line := await lines.run_in_executor(None, sys.stdin.readline):
                await connection.send(line.strip())
                print(await connection.recv(), flush=True)
        except websockets.ConnectionClosed:
            print("closed", flush=True)


modes = {"hold": hold, "talk": talk}
asyncio.run(modes[mode]() if mode in modes else rounds(int(mode)))
