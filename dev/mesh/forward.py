"""Carries ports of the hub to servers on this machine's loopback: `python -m dev.mesh.forward HUB PORT=TARGET...`."""

import asyncio
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress

from dev.mesh.network import HUB, entered


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


async def _serve(listener: socket.socket, target: int) -> None:
    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_pump(reader, to_writer), _pump(to_reader, writer))
        writer.close()
        to_writer.close()

    server = await asyncio.start_server(carry, sock=listener)
    await server.serve_forever()


async def _main(hub: str, pairs: Sequence[str]) -> None:
    ports = [tuple(map(int, pair.split("="))) for pair in pairs]
    with entered(hub):
        listeners = [socket.create_server((HUB, port), backlog=512) for port, _ in ports]
    await asyncio.gather(*(_serve(listener, port[1]) for listener, port in zip(listeners, ports, strict=True)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2:]))
