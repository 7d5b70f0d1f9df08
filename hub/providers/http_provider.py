"""A provider over HTTP: a converter for its wire form, and the transport for everything else.

stream():  send -> read -> parse -> yield, one batch a read
           fails before the first batch -> pause and send again
           fails after it               -> the error, once
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from typing import TypeVar

import aiohttp

from config import limits
from hub.providers.base import (
    Completion,
    Converter,
    EmbeddingCall,
    EmbeddingConverter,
    Embeddings,
    Finish,
    HttpRequest,
    ProviderCall,
    ProviderError,
    ProviderEvent,
    StreamParser,
    Trail,
)
from hub.providers.transport import FAILURES, Transport, check_size, read_all

Answer = TypeVar("Answer")


class HttpProvider:
    """Implements `Provider`; any number of calls run at once, and nothing of them is kept."""

    def __init__(self, converter: Converter, transport: Transport) -> None:
        self.name = converter.name
        self._converter = converter
        self._transport = transport

    async def stream(self, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        """Batches until `Finish`; raises `ProviderError`. `aclose()` or cancelling closes the connection upstream."""
        request = self._converter.request(call, stream=True)
        tries, relayed = 0, False
        while True:
            try:
                call.trail.attempts += 1
                async with aclosing(self._attempt(request, call)) as batches:
                    async for batch in batches:
                        relayed = True
                        yield batch
                return
            except ProviderError as error:
                tries += 1
                if relayed or not await self._transport.pause(error, tries):
                    raise

    async def complete(self, call: ProviderCall) -> Completion:
        """The whole answer; raises `ProviderError`."""
        request = self._converter.request(call, stream=False)
        return await self._whole(request, call.trail, lambda body: self._converter.parse_completion(body, call))

    async def embed(self, call: EmbeddingCall) -> Embeddings:
        """All vectors; raises `ProviderError`."""
        converter = self._converter
        if not isinstance(converter, EmbeddingConverter):
            raise ProviderError(f"{converter.label} makes no embeddings", request_is_wrong=True)
        parse = partial(converter.parse_embeddings, call=call)
        return await self._whole(converter.embedding_request(call), call.trail, parse, limits.EMBEDDING_BODY_BYTES_MAX)

    async def _whole(
        self,
        request: HttpRequest,
        trail: Trail,
        parse: Callable[[bytes], Answer],
        bytes_max: int = limits.PROVIDER_BODY_BYTES_MAX,
    ) -> Answer:
        tries = 0
        while True:
            try:
                trail.attempts += 1
                async with self._transport.post(request, self._converter, stream=False) as content:
                    return parse(await read_all(content, self._converter.label, bytes_max))
            except ProviderError as error:
                tries += 1
                if not await self._transport.pause(error, tries):
                    raise

    async def _attempt(self, request: HttpRequest, call: ProviderCall) -> AsyncGenerator[list[ProviderEvent], None]:
        parser = self._converter.stream_parser(call)
        received_bytes, over = 0, False
        async with self._transport.post(request, self._converter, stream=True) as content:
            while not over:
                events: list[ProviderEvent] = []
                failure: ProviderError | None = None
                try:
                    size = await _read(content, parser, events)
                    received_bytes += size
                    check_size(received_bytes, self._converter.label)
                    over = size == 0 or bool(events and isinstance(events[-1], Finish))
                except ProviderError as error:
                    failure = error
                if events:
                    yield events
                if failure is not None:  # after the events that came before it in the same read
                    raise failure
            await self._drain(content)

    async def _drain(self, content: aiohttp.StreamReader) -> None:
        """The answer is complete; its connection can be used again if its end comes soon."""
        try:
            async with asyncio.timeout(self._transport.patience.drain_seconds):
                while await content.readany():
                    pass
        except FAILURES:
            pass  # nothing is missing: the connection is closed instead


async def _read(content: aiohttp.StreamReader, parser: StreamParser, events: list[ProviderEvent]) -> int:
    """One read, parsed; the number of bytes, 0 at the end. A loss after the finish reason is an end like any other."""
    try:
        data = await content.readany()
    except FAILURES:
        if not parser.finished:
            raise
        data = b""
    if data:
        parser.feed(data, events)
    else:
        parser.end(events)
    return len(data)
