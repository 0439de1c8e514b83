"""A WebSocket environment that echoes with its name in front. Ends with its input."""

import asyncio
import sys

import websockets

name = sys.argv[1]


async def echo(connection):
    async for message in connection:
        await connection.send(message if isinstance(message, bytes) else f"{name}:{message}")


async def main():
    async with websockets.serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = server.sockets[0].getsockname()[1]
        print(f"listens on 127.0.0.1:{port}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
