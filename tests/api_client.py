"""A client for tests that looks at the headers and the envelope of every answer, in the dialect that is expected.

client = ApiClient(io_loop, port, "smart_ai_hub", token=...)      await client.post("/api/...", {...}, status=201)
"""

import json
import re
from typing import Any

import jsonschema
from tornado.httpclient import AsyncHTTPClient, HTTPResponse

MOMENT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
_TEXT = {"type": "string", "minLength": 1}
_TIME = {"type": "string", "pattern": MOMENT}
_FIELDS = {"type": "array", "items": {"type": "object", "required": ["field", "message"]}}


def _object(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


_META = _object(timestamp=_TIME, requestId=_TEXT, version=_TEXT)
SUCCESS = {
    "smart_ai_hub": _object(success={"const": True}, meta=_META),
    "ai_aggregator": _object(success={"const": True}),
    "ai_playground": _object(success={"const": True}, timestamp=_TIME),
    "ai_assistant": {"type": "object", "not": {"required": ["success"]}},
}
ERROR = {
    "smart_ai_hub": _object(
        success={"const": False}, error=_object(code=_TEXT, message=_TEXT, details=_FIELDS), meta=_META
    ),
    "ai_aggregator": _object(
        success={"const": False},
        error=_object(code=_TEXT, message=_TEXT, details={"type": "object"}, type=_TEXT, param={}),
    ),
    "ai_playground": _object(
        success={"const": False}, error=_object(code=_TEXT, message=_TEXT, details={"type": "object"}), timestamp=_TIME
    ),
    "ai_assistant": _object(error=_object(code=_TEXT, message=_TEXT), request_id=_TEXT),
}
# Made once: each would else first be checked itself, for every answer, which costs more than the answer.
_VALIDATORS = {
    (dialect, good): jsonschema.Draft202012Validator(schemas[dialect])
    for good, schemas in ((True, SUCCESS), (False, ERROR))
    for dialect in schemas
}


class Answer:
    """An answer whose headers and envelope are as they should be."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.code
        self.headers = response.headers
        self.body = json.loads(response.body)

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])


class ApiClient:
    """Speaks to one hub in one dialect."""

    def __init__(
        self, port: int, dialect: str = "smart_ai_hub", *, token: str | None = None, cookie: str | None = None
    ) -> None:
        self._port = port
        self._dialect = dialect
        self._headers: dict[str, str] = {}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        if cookie is not None:
            self._headers["Cookie"] = f"auth_token={cookie}"

    async def get(self, path: str, *, status: int = 200, **options: Any) -> Answer:
        return await self.request("GET", path, status=status, **options)

    async def post(self, path: str, body: Any = None, *, status: int = 200, **options: Any) -> Answer:
        return await self.request("POST", path, body, status=status, **options)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int,
        headers: dict[str, str] | None = None,
        dialect: str | None = None,
        plain: bool = False,
    ) -> Answer:
        """`body` is sent as it is when it is bytes, else as JSON. `plain`: a success has no envelope, by its document."""
        response = await self.raw(method, path, body, headers)
        assert response.code == status, (response.code, response.body[:500])
        check(response, dialect or self._dialect, plain)
        return Answer(response)

    async def events(self, path: str, body: Any, *, headers: dict[str, str] | None = None) -> list[Any]:
        """The data of a streamed answer's events, once `[DONE]` has ended it."""
        response = await self.raw("POST", path, body, headers)
        assert response.code == 200, (response.code, response.body[:500])
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["X-Hub-Stream-Id"] and response.headers["X-Hub-Stream-Epoch"]
        _check_common_headers(response, self._dialect)
        *blocks, last, end = response.body.decode().split("\n\n")
        assert (last, end) == ("data: [DONE]", "")
        return [json.loads(block.removeprefix("data: ")) for block in blocks if not block.startswith(":")]

    async def raw(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> HTTPResponse:
        """The answer, unchecked."""
        sent = {**self._headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        return await AsyncHTTPClient().fetch(
            f"http://127.0.0.1:{self._port}{path}",
            method=method,
            headers=sent,
            body=body,
            raise_error=False,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            decompress_response=False,
        )


def check(response: HTTPResponse, dialect: str, plain: bool = False) -> None:
    """What every answer of an API has, whatever it says."""
    _check_headers(response, dialect)
    body = json.loads(response.body)
    if response.code >= 400 or not plain:
        _VALIDATORS[dialect, response.code < 400].validate(body)
    told = body.get("request_id") or body.get("meta", {}).get("requestId")
    assert told in (None, response.headers["X-Request-ID"])


def _check_headers(response: HTTPResponse, dialect: str) -> None:
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    _check_common_headers(response, dialect)


def _check_common_headers(response: HTTPResponse, dialect: str) -> None:
    """Those of every answer, streamed ones too."""
    headers = response.headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Server" not in headers
    assert re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", headers["X-Request-ID"])
    if response.code in (429, 503):
        assert int(headers["Retry-After"]) >= 1
    if response.code == 402:
        assert headers["X-Should-Retry"] == "false"
    if response.code == 401:
        assert headers["WWW-Authenticate"] == "Bearer"
    _check_limit_headers(response, dialect)


def _check_limit_headers(response: HTTPResponse, dialect: str) -> None:
    """They stand on every answer but that to a preflight, which no program sees."""
    headers = response.headers
    assert 0 <= int(headers["X-RateLimit-Remaining"]) <= int(headers["X-RateLimit-Limit"])
    if dialect == "ai_playground":
        assert re.fullmatch(MOMENT[1:-1], headers["X-RateLimit-Reset"])
        assert headers["X-RateLimit-Endpoint"] and headers["X-RateLimit-Identifier"]
    else:
        assert int(headers["X-RateLimit-Reset"]) > 1_600_000_000
