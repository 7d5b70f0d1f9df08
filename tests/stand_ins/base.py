"""What the stand-ins of AI companies share: their faults by name, their counts, their start and stop.

A request's fault is the next one given to `script(...)`, else the `#name` in its last message (`#error500`), else none.
A scenario may name an answer as it was recorded, which is then sent byte for byte.
"""

import asyncio
import re
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import orjson
from aiohttp import web

Json = dict[str, Any]
_RECORDED = Path(__file__).parents[1] / "recorded"


@dataclass(frozen=True)
class Scenario:
    """How one request is answered.

    Kinds: normal, slow, error, error_first, error_chunk, half_json, usage_missing, usage_absurd, usage_negative,
    usage_zero, empty, hang_first, hang_mid, reset, reset_mid, comments (nothing but these, without end). `chunks` words
    are sent, `interval_seconds` apart; faults in the middle come after half of them.
    """

    kind: str = "normal"
    chunks: int = 8
    interval_seconds: float = 0.0
    first_token_seconds: float = 0.0
    status: int = 500
    retry_after: str | None = None
    headers: tuple[tuple[str, str], ...] = ()  # that an error has besides
    word: str = " word"  # one token of cl100k_base
    recorded: str | None = None  # of `recordings`; kind `error` sends it in one piece, with `status`

    @property
    def half(self) -> int:
        return self.chunks // 2


_NAMED = re.compile(r"#(error(?P<status>[45]\d\d)|[a-z]\w+)(?: retry-after=(?P<after>\S+))?")


@dataclass
class Recorded:
    """One request as it arrived."""

    path: str
    peer: tuple[str, int]  # tells whether a connection was used again
    headers: dict[str, str]
    body: Json
    cancelled: bool = False


@dataclass
class StandIn(ABC):
    """A server on a free port. `default` answers requests that name no scenario."""

    recordings: ClassVar[Mapping[str, tuple[str, str]]]  # by name: files of the answer streamed, and in one piece

    default: Scenario = Scenario()
    keep_requests: bool = True  # a benchmark sends too many to keep
    requests: list[Recorded] = field(default_factory=list)
    cancelled: int = 0  # answers whose client went away before their end
    url: str = ""

    def __post_init__(self) -> None:
        self._script: deque[Scenario] = deque()
        self._runner: web.AppRunner | None = None
        self._cancelled_event: asyncio.Event | None = None

    def script(self, *scenarios: Scenario) -> None:
        """The next requests' scenarios, in order."""
        self._script.extend(scenarios)

    def forget(self) -> int:
        """Drop the requests seen so far and the scenarios that none of them took; how many those were."""
        left = len(self._script)
        self._script.clear()
        self.requests.clear()
        return left

    async def start(self, port: int = 0) -> None:
        self._cancelled_event = asyncio.Event()
        application = web.Application(client_max_size=64 << 20)
        application.router.add_post("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def wait_cancelled(self, seconds: float = 5.0) -> None:
        """Until some client went away; only from the loop that started the server."""
        assert self._cancelled_event is not None
        await asyncio.wait_for(self._cancelled_event.wait(), seconds)

    @contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Serve from a loop of its own, for tests whose loop is busy or not yet there."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.start(), loop).result(10)
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(self.stop(), loop).result(10)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = orjson.loads(await request.read())
        assert request.transport is not None
        recorded = Recorded(request.path, request.transport.get_extra_info("peername"), dict(request.headers), body)
        if self.keep_requests:
            self.requests.append(recorded)
        scenario = self._script.popleft() if self._script else self._named(body)
        try:
            return await self._answer(request, body, scenario)
        except (asyncio.CancelledError, ConnectionResetError):
            recorded.cancelled = True
            self.cancelled += 1
            if self._cancelled_event is not None:
                self._cancelled_event.set()
            raise

    def _named(self, body: Json) -> Scenario:
        found = _NAMED.search(_last_text(body.get("messages", [])))
        if found is None:
            return self.default
        if found["status"]:
            return replace(self.default, kind="error", status=int(found["status"]), retry_after=found["after"])
        return replace(self.default, kind=found[1])

    async def _answer(self, request: web.Request, body: Json, scenario: Scenario) -> web.StreamResponse:
        if scenario.kind == "error":
            headers = dict(scenario.headers) | ({"retry-after": scenario.retry_after} if scenario.retry_after else {})
            return web.Response(
                body=self._error(scenario), status=scenario.status, headers=headers, content_type="application/json"
            )
        if scenario.recorded:
            stream = bool(body.get("stream"))
            content_type = "text/event-stream" if stream else "application/json"
            return web.Response(body=self._recorded(scenario.recorded, stream), content_type=content_type)
        if scenario.kind == "reset":
            _reset(request)
        if scenario.kind == "hang_first":
            await asyncio.Event().wait()
        if scenario.kind == "slow":
            scenario = replace(scenario, first_token_seconds=0.2, interval_seconds=max(0.02, scenario.interval_seconds))
        if not body.get("stream"):
            return await self._whole(scenario, body)
        return await self._streamed(request, body, scenario)

    def _error(self, scenario: Scenario) -> bytes:
        if scenario.recorded:
            return self._recorded(scenario.recorded, stream=False)
        return orjson.dumps(self.error_body(scenario.status))

    def _recorded(self, name: str, stream: bool) -> bytes:
        streamed, whole = self.recordings[name]
        return (_RECORDED / (streamed if stream else whole)).read_bytes()

    async def _whole(self, scenario: Scenario, body: Json) -> web.Response:
        await asyncio.sleep(scenario.first_token_seconds + scenario.interval_seconds * scenario.chunks)
        if scenario.kind == "hang_mid":
            await asyncio.Event().wait()
        whole = orjson.dumps(self.whole_body(scenario, body))
        if scenario.kind == "half_json":
            whole = whole[: len(whole) // 2]
        return web.Response(body=b"{}" if scenario.kind == "empty" else whole, content_type="application/json")

    async def _streamed(self, request: web.Request, body: Json, scenario: Scenario) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if scenario.kind == "empty":
            return response
        while scenario.kind == "comments":
            await response.write(b": still at work\n\n")
            await asyncio.sleep(scenario.interval_seconds)
        await asyncio.sleep(scenario.first_token_seconds)
        opening, word, ending = self.frames(scenario, body)
        await response.write(opening)
        sent = (
            scenario.half if scenario.kind in ("error_chunk", "half_json", "hang_mid", "reset_mid") else scenario.chunks
        )
        await _write_words(response, word, 0 if scenario.kind == "error_first" else sent, scenario.interval_seconds)
        if scenario.kind == "hang_mid":
            await asyncio.Event().wait()
        if scenario.kind == "reset_mid":
            _reset(request)
        if scenario.kind == "half_json":
            ending = word[: len(word) // 2]
        elif scenario.kind in ("error_chunk", "error_first"):
            ending = self.error_frame()
        await response.write(ending)
        return response

    @abstractmethod
    def frames(self, scenario: Scenario, body: Json) -> tuple[bytes, bytes, bytes]:
        """The encoded beginning, one word, and the ending of a stream."""

    @abstractmethod
    def whole_body(self, scenario: Scenario, body: Json) -> Json: ...

    @abstractmethod
    def error_body(self, status: int) -> Json: ...

    @abstractmethod
    def error_frame(self) -> bytes: ...


async def _write_words(response: web.StreamResponse, word: bytes, count: int, interval_seconds: float) -> None:
    if interval_seconds == 0:
        await response.write(word * count)
        return
    loop = asyncio.get_running_loop()
    started = loop.time()
    for number in range(1, count + 1):
        await response.write(word)
        await asyncio.sleep(max(0.0, started + number * interval_seconds - loop.time()))


def usage_counts(scenario: Scenario) -> tuple[int, int] | None:
    """Prompt and completion tokens as this scenario reports them."""
    if scenario.kind == "usage_missing":
        return None
    if scenario.kind == "usage_absurd":
        return 10**12, 10**12
    if scenario.kind == "usage_negative":
        return -5, -7
    if scenario.kind == "usage_zero":
        return 9, 0
    return 9, scenario.chunks


def _last_text(messages: list[Json]) -> str:
    content = messages[-1].get("content") if messages else ""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content)
    return content or ""


def _reset(request: web.Request) -> None:
    """Cut the connection with RST: nothing that is still in a buffer arrives."""
    assert request.transport is not None
    request.transport.abort()
    raise ConnectionResetError
