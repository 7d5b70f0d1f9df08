"""The floor: what this stack costs when it does nothing but pass on. No accounts, no ledger, no storage, no limits.

python -m bench.bare_relay --port N --provider N

A POST is passed to the provider, and what one read brings is written at once; a GET is answered with a constant.
"""

import argparse
import asyncio
import sys

import aiohttp
import uvloop
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

READY = b"the relay listens"
_CONNECTIONS_MAX = 1_000


class Relay(RequestHandler):
    def initialize(self, client: aiohttp.ClientSession, provider: str) -> None:
        self._client = client
        self._provider = provider

    def get(self) -> None:
        self.finish(b'{"a":"constant"}')

    async def post(self) -> None:
        headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        async with self._client.post(self._provider, data=self.request.body, headers=headers) as answer:
            self.set_header("Content-Type", answer.headers["Content-Type"])
            if answer.content_type != "text/event-stream":
                self.finish(await answer.read())
                return
            while data := await answer.content.readany():
                self.write(data)
                await self.flush()


async def _serve(port: int, provider_port: int) -> None:
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS_MAX)
    async with aiohttp.ClientSession(connector=connector) as client:
        provider = f"http://127.0.0.1:{provider_port}/v1/chat/completions"
        routes = [("/.*", Relay, {"client": client, "provider": provider})]
        HTTPServer(Application(routes, log_function=lambda handler: None)).listen(port, "127.0.0.1")
        sys.stdout.write(READY.decode() + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider", type=int, required=True)
    arguments = parser.parse_args()
    uvloop.run(_serve(arguments.port, arguments.provider))


if __name__ == "__main__":
    main()
