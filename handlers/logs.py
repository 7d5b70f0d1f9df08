"""Logs: one line per request and per failure, without secrets; JSON in production, for people in development.

Only the path of an address is ever written: a query may hold a credential. Control characters are escaped, so that one
request stays one line whatever it is called.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import orjson
import structlog
from tornado.web import RequestHandler
from tornado.websocket import WebSocketHandler

from config import limits
from handlers.dialects import DIALECTS
from hub.metrics import Metrics
from hub.request_stats import RequestStats
from models.clock import now, timestamp

_SECRETS: Final = re.compile(
    r"(?i)(bearer\s+|[?&\"']?(?:token|api_key|password|secret|auth_token)[\"']?\s*[=:]\s*[\"']?)[^\s&\"',;]+"
    r"|whsec_[\w+/=-]+|\bwf_[\w-]{32}|\b[as]k_live_\w+|\beyJ[\w-]+\.[\w-]+\.[\w-]+"
)
_VERSION: Final = re.compile(rf"[A-Za-z0-9._+/ -]{{1,{limits.CLIENT_VERSION_CHARS_MAX}}}")
_API_PATHS: Final = ("/api/", "/v1/")  # without `/readyz`, `/metrics`, pages and whatever strangers look for
# The addresses of workflows and of bots end in what may be done by whoever knows it.
_ADDRESS: Final = re.compile(r"(/webhooks/(?:telegram/|[0-9]+/)?)(?!smartaihub$)(?!telegram/?$).+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_Event = MutableMapping[str, Any]


def configure(production: bool) -> None:
    """Send everything, the standard library's loggers too, through one chain to standard error."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    clean: list[Any] = [structlog.processors.format_exc_info, _masked]
    last: Any = structlog.processors.JSONRenderer(serializer=_json)
    if not production:
        last = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    structlog.configure(
        processors=[*shared, *clean, *([] if production else [_escaped]), last],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*shared, *clean], processors=[remove, last])
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(logging.INFO)


class AccessLog:
    """Tornado's `log_function`: one line a request to standard error, and the metrics of the request.

    It goes past structlog, whose chain costs 80 us a line, a twentieth of a completion; this costs five.
    """

    def __init__(self, production: bool, metrics: Metrics, request_stats: RequestStats) -> None:
        self._format = _as_json if production else _as_words
        self._metrics = metrics
        self._request_stats = request_stats

    def __call__(self, handler: RequestHandler) -> None:
        request = handler.request
        seconds, status, api = request.request_time(), handler.get_status(), _api(handler)
        streamed = api == "websocket" or _is_stream(handler)
        self._metrics.request(api, status, seconds, streamed)
        if api in DIALECTS and request.path.startswith(_API_PATHS):
            self._request_stats.count(status, None if streamed else seconds)
        client = client_version(request.headers.get("X-Client-Version"))
        if client is not None:
            self._metrics.client(client)
        facts = {
            "timestamp": timestamp(now()),
            "event": "request",
            "method": printable(request.method or ""),
            "path": path_shown(request.path),
            "status": status,
            "milliseconds": round(seconds * 1_000, 2),
            "api": api,
            "request_id": getattr(handler, "request_id", None),
            "user": getattr(getattr(handler, "identity", None), "user_id", None),
            "address": getattr(handler, "address", request.remote_ip),
            "client_version": client,
        }
        sys.stderr.write(self._format(facts))


def _as_json(facts: dict[str, Any]) -> str:
    return orjson.dumps(facts).decode() + "\n"


def _as_words(facts: dict[str, Any]) -> str:
    return " ".join([str(value) for name, value in facts.items() if name != "event" and value is not None]) + "\n"


def _is_stream(handler: RequestHandler) -> bool:
    return handler._headers.get("Content-Type", "").startswith("text/event-stream")


def _api(handler: RequestHandler) -> str:
    if isinstance(handler, WebSocketHandler):
        return "websocket"
    dialect = getattr(handler, "dialect", None)
    return "page" if dialect is None else str(dialect.name)


def client_version(given: str | None) -> str | None:
    """What a client calls itself, if that is a version; anything else is only `invalid`."""
    if given is None:
        return None
    return given if _VERSION.fullmatch(given) else "invalid"


def printable(text: str) -> str:
    """Text with its control characters, and those that turn its direction, written out."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def path_shown(path: str) -> str:
    """A request's path for a log."""
    return printable(_ADDRESS.sub(r"\1***", path) if path.startswith("/webhooks/") else path)


def masked(text: str) -> str:
    """Text with whatever looks like a credential taken out."""
    return _SECRETS.sub("***", text)


def _masked(logger: Any, method: str, event: _Event) -> _Event:
    """What others wrote, an exception's text above all, may quote a request."""
    for name in ("event", "exception"):
        if isinstance(event.get(name), str):
            event[name] = masked(event[name])
    return event


def _escaped(logger: Any, method: str, event: _Event) -> _Event:
    """For the console, where no JSON escapes for us; a traceback keeps its lines."""
    for name, value in event.items():
        if isinstance(value, str) and name != "exception":
            event[name] = printable(value)
    return event


def _json(event: Any, **options: Any) -> str:
    return orjson.dumps(event, default=str).decode()
