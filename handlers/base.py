"""The base of every API handler: what happens to a request before and after its method, the same for all four APIs.

    initialize: request id, dialect    prepare: credential -> origin -> rate limit -> access    method    answer or error

It knows no resource. Every failure ends in `write_error`, which says it in the caller's dialect.
"""

import re
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import orjson
import structlog
from tornado.web import RequestHandler

from config import limits
from handlers import addressing
from handlers.access import Access, access_of, methods_of, public
from handlers.cookies import set_cookie
from handlers.credentials import address_of, check_cookie_origin, credential_of, media_type
from handlers.dialects import DIALECTS, SMART_AI_HUB, Dialect, Json, Page, whole_seconds
from handlers.failures import as_hub_error, is_worth_a_log, of_status
from handlers.logs import path_shown
from handlers.terms import SORT, asked_of, body_of, may_be_bodiless, success_of
from hub import fields, json_input
from hub.errors import Code, HubError, invalid
from hub.identity_cache import Credential, Identity
from hub.rate_limits import Limited
from hub.services import Services
from models.database import DatabaseError
from models.ids import new_id

if TYPE_CHECKING:
    from handlers.application import HubApplication

log = structlog.get_logger(__name__)

_REQUEST_ID: Final = re.compile(rf"[A-Za-z0-9._:-]{{1,{limits.REQUEST_ID_CHARS_MAX}}}")
_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9, -]{1,1000}")
_EXPOSED: Final = (
    "X-Request-ID, Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-RateLimit-Endpoint, "
    "X-RateLimit-Identifier, Retry-After, X-Hub-Stream-Id, X-Hub-Stream-Epoch, X-Hub-Sandbox, X-Hub-Route, "
    "X-Hub-Attempts, X-Hub-Overhead-Ms, Idempotency-Hit, X-Should-Retry, "
    "X-RateLimit-Limit-Requests, X-RateLimit-Remaining-Requests, X-RateLimit-Reset-Requests"
)
_FIXED_HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Referrer-Policy", "no-referrer"),
)
_IN_QUERY_PREFIX: Final = "/v1/"


class ApiHandler(RequestHandler):
    """A resource of one or several APIs. Methods find `services`, `dialect`, `identity`, `request_id` and `address`."""

    body_bytes_max: ClassVar[int] = limits.BODY_BYTES_MAX
    limit_classes: ClassVar[Mapping[str, str]] = {}  # of APIs that do not count it by its route's class
    tells: ClassVar[Sequence[str]] = ()  # headers of its successes, beside those that all have
    refuses: ClassVar[Sequence[Code]] = ()  # what may go wrong in it that its marks do not let one expect
    dialect: Dialect = SMART_AI_HUB
    identity: Identity | None = None
    credential: Credential | None = None
    _kept: dict[str, str] | None = None
    _limited: tuple[Limited, str] | None = None  # what the rate limit came to, and the class that it is told for

    def initialize(self, apis: Sequence[str], limit_class: str = "general", counted: bool = True) -> None:
        self.hub = cast("HubApplication", self.application)
        self.services: Services = self.hub.services
        self.address = address_of(self.request, self.services.settings.trusted_proxies)
        self._limit_class = limit_class
        self._counted = counted
        self._access = access_of(type(self), self.request.method or "")
        if self._access is not None and self._access.kind not in ("public", "service"):
            self.credential = credential_of(self.request, in_query=self.request.path.startswith(_IN_QUERY_PREFIX))
        self.dialect = self._dialect(apis)
        self._begin_answer()

    def _dialect(self, apis: Sequence[str]) -> Dialect:
        if (form := addressing.of_form(self.request.path)) is not None:
            return form
        hosts = self.services.settings.api_hosts
        if not apis:
            return addressing.of_unknown(self.request.path, self.request.host, hosts)
        if len(apis) == 1:
            return DIALECTS[apis[0]]
        by_cookie = self.credential is not None and self.credential.kind == "cookie"
        return addressing.of_shared(apis, self.request.host, by_cookie, hosts)

    # --- headers -------------------------------------------------------------------------------------------

    def set_default_headers(self) -> None:
        """Tornado clears all headers before it answers an error; those that every answer has are set anew."""
        self.clear_header("Server")
        for name, value in _FIXED_HEADERS:
            self._headers[name] = value
        for name, value in (self._kept or {}).items():
            self._headers[name] = value
        if cast("HubApplication", self.application).draining:
            self._headers["Connection"] = "close"  # the next request is for whoever comes after us

    def keep_header(self, name: str, value: str) -> None:
        """Set a header that error answers have too."""
        self._kept = {**(self._kept or {}), name: value}
        self._headers[name] = value

    def _begin_answer(self) -> None:
        given = self.request.headers.get("X-Request-ID")
        self.request_id = given if given and _REQUEST_ID.fullmatch(given) else new_id("req")
        for name in self.dialect.request_id_headers:
            self.keep_header(name, self.request_id)
        origin = self.request.headers.get("Origin")
        if origin is None:
            return
        if origin in self.services.settings.allowed_origins:
            self.keep_header("Access-Control-Allow-Origin", origin)
            self.keep_header("Access-Control-Allow-Credentials", "true")
        else:
            self.keep_header("Access-Control-Allow-Origin", "*")
        self.keep_header("Vary", "Origin")
        self.keep_header("Access-Control-Expose-Headers", _EXPOSED)

    @public
    def options(self, *args: str, **kwargs: str) -> None:
        """A preflight. Which origin may use which credential is decided when the request itself comes."""
        self.set_header("Access-Control-Allow-Methods", ", ".join(methods_of(type(self))))
        asked = self.request.headers.get("Access-Control-Request-Headers", "")
        if _HEADER_NAMES.fullmatch(asked):
            self.set_header("Access-Control-Allow-Headers", asked)
        self.set_header("Access-Control-Max-Age", "600")
        self.finish(b"{}")

    def compute_etag(self) -> str | None:
        return None

    # --- before the method ---------------------------------------------------------------------------------

    async def prepare(self) -> None:
        if self.request.method == "OPTIONS":
            return
        access = self._access
        if access is None:
            self.keep_header("Allow", ", ".join(methods_of(type(self))))
            await self.count()
            raise of_status(405)
        failure: Exception | None = None
        try:
            await self.identify(access)
            if self.identity is not None:
                access.check(self.identity)
        except (HubError, DatabaseError) as error:
            failure = error
        await self.count(refused=failure is not None)  # before anybody is told: tries of a stranger are bounded
        if failure is not None:
            raise failure
        if "Content-Encoding" in self.request.headers:
            raise HubError(Code.MALFORMED, "Compressed bodies are not accepted")

    async def identify(self, access: Access) -> None:
        """Find out who is asking. Raises `HubError` or `DatabaseError`."""
        if access.kind == "public":
            return
        if access.kind == "service":
            token = self.request.headers.get("X-Service-Token")
            self.credential = Credential("bearer", token) if token else credential_of(self.request)
        if self.credential is None:
            raise HubError(Code.UNAUTHENTICATED, "Authentication is required")
        if self.credential.kind == "cookie":
            check_cookie_origin(self.request, self.services.settings.allowed_origins)
        self.identity = await self.services.identities.resolve(self.credential)

    async def count(self, refused: bool = False) -> None:
        """Count against the rate limit, tell it in headers, refuse what is too much. Who is refused counts everywhere."""
        counted = self._counted or refused
        api = self.dialect.name
        limit_class = self.limit_classes.get(api, self._limit_class)
        if self._is_our_page():
            api, limit_class = SMART_AI_HUB.name, "general"
        limited = await self.services.rate_limits.hit(api, limit_class, self.identity, self.address, counted=counted)
        self._tell_limit(limited, limit_class)
        if counted:  # else others of the same address could keep out who is not held to a limit
            limited.check()

    def _tell_limit(self, limited: Limited, limit_class: str) -> None:
        self._limited = (limited, limit_class)
        for name, value in self.dialect.limit_headers(limited, limit_class).items():
            self.keep_header(name, value)

    def _is_our_page(self) -> bool:
        """A page that may use the cookie is not held to the AI Assistant's plan, whose form its answers have."""
        if self.credential is None or self.credential.kind != "cookie" or self.dialect.name != "ai_assistant":
            return False
        headers = self.request.headers
        return headers.get("Sec-Fetch-Site") == "same-origin" or (
            headers.get("Origin") in self.services.settings.allowed_origins
        )

    # --- what the method reads -----------------------------------------------------------------------------

    @property
    def caller(self) -> Identity:
        """Who is asking, in methods that are not public."""
        assert self.identity is not None, "a public method has no caller"
        return self.identity

    def json_body(self) -> Any:
        """The body, parsed strictly. Raises `HubError` MALFORMED or TOO_LARGE."""
        content_type = self.request.headers.get("Content-Type")
        if content_type is None or media_type(content_type) != "application/json":
            raise HubError(Code.MALFORMED, "The body must be JSON, with Content-Type: application/json")
        return json_input.loads(self.request.body, self.body_bytes_max)

    def load_body(self, *checks: fields.Check) -> dict[str, Any]:
        """The body by the method's schema and further checks. Raises `HubError` MALFORMED, TOO_LARGE, INVALID."""
        absent = not self.request.body and may_be_bodiless(type(self), self.request.method or "")
        return self.loaded({} if absent else self.json_body(), *checks)

    def loaded(self, body: Any, *checks: fields.Check) -> dict[str, Any]:
        """What `json_body` gave, by the method's schema. Raises `HubError` INVALID with every failure."""
        schema = body_of(type(self), self.request.method or "", self.dialect.name)
        assert schema is not None, "a method takes no body without saying by which schema"
        return fields.load(schema, body, *checks)

    def header(self, name: str) -> str | None:
        """A header that the method says it looks at."""
        self._check_asked(name)
        return self.request.headers.get(name)

    def _check_asked(self, name: str) -> None:
        asked = asked_of(type(self), self.request.method or "")
        assert name in asked, f"{name} is not among what this method says that it asks for"

    def query(self, name: str, chars_max: int = limits.NAME_CHARS_MAX) -> str | None:
        """One query parameter that the method says it looks at. Raises `HubError` INVALID when it comes twice or is longer
        than it may be.
        """
        self._check_asked(name)
        values = self.request.query_arguments.get(name)
        if not values:
            return None
        if len(values) > 1 or len(values[0]) > chars_max:
            raise invalid(name, "must be given once, and briefly")
        try:
            return values[0].decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(name, "must be UTF-8") from None

    def query_integer(self, name: str, default: int, low: int, high: int, *, lowered: bool = True) -> int:
        """What is too large is the largest, where it may be `lowered`. Raises `HubError` INVALID."""
        text = self.query(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > limits.JSON_INTEGER_DIGITS_MAX or int(text) < low:
            raise invalid(name, f"must be a whole number from {low}", text)
        if not lowered and int(text) > high:
            raise invalid(name, f"must be at most {high}", text)
        return min(int(text), high)

    def query_choice(self, name: str) -> str | None:
        """One of the words that the parameter's form lists. Raises `HubError` INVALID for any other."""
        text, words = self.query(name), asked_of(type(self), self.request.method or "")[name].form["enum"]
        if text is not None and text not in words:
            raise invalid(name, f"must be one of {', '.join(words)}", text)
        return text

    def query_flag(self, name: str) -> bool:
        """`true`, or `false` as it is without it. Raises `HubError` INVALID for anything else."""
        return self.query_choice(name) == "true"

    def page_window(self) -> tuple[int, int]:
        """`(limit, offset)` as the dialect lets a page be asked for; a limit beyond the largest page is that page."""
        by_offset, pages = self.dialect.paging == "offset", limits.PAGE_NUMBER_MAX
        name, low, high = ("offset", 0, pages * limits.PAGE_SIZE_MAX) if by_offset else ("page", 1, pages)
        limit, start = fields.together(
            lambda: self.query_integer("limit", self.dialect.page_size, 1, limits.PAGE_SIZE_MAX),
            lambda: self.query_integer(name, low, low, high, lowered=False),
        )
        return limit, start if by_offset else (start - 1) * limit

    def newest_first(self) -> bool:
        """In which direction `SORT` asks for a list. Raises `HubError` INVALID."""
        return self.query_choice(SORT.name) != "asc"

    def renew_cookie(self) -> None:
        """Let the browser keep the cookie that it came with for another week, as the login itself does."""
        if self.credential is not None and self.credential.kind == "cookie":
            set_cookie(self, self.credential.value)

    # --- answers -------------------------------------------------------------------------------------------

    def answer(self, data: Any = None, *, message: str | None = None, extra: Json | None = None) -> Awaitable[None]:
        """Answer in the dialect's envelope, with the method's status; `extra` are further fields beside it."""
        body = {**self.dialect.success(data, message, self.request_id), **(extra or {})}
        return self.send(body, success_of(type(self), self.request.method or "").status)

    def answer_page(self, name: str, items: Sequence[Any], page: Page) -> Awaitable[None]:
        return self.send(self.dialect.page(name, items, page, self.request_id), 200)

    def send(self, body: Any, status: int = 200) -> Awaitable[None]:
        """Answer with exactly this body."""
        self.set_status(status)
        return self.finish(orjson.dumps(body))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = kwargs.get("exc_info")
        self.answer_error(as_hub_error(raised[1]) if raised else of_status(status_code))

    def answer_error(self, error: HubError) -> None:
        """Say a failure in the dialect."""
        status, code = self.dialect.codes[error.code]
        seconds = error.retry_after_seconds
        if seconds is None and status == 503:  # a provider that failed seldom says when to come back
            seconds = limits.UNAVAILABLE_RETRY_SECONDS
        if seconds is not None:
            self.set_header("Retry-After", str(whole_seconds(seconds)))
        if error.exhausted is not None and self._limited is not None:
            limited, limit_class = self._limited
            self._tell_limit(limited.by_quota(error.exhausted), limit_class)
        if not error.temporary:
            self.set_header("X-Should-Retry", "false")  # OpenAI's and Anthropic's clients would repeat every 409
        if status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        self.send(self.dialect.error(error, code, self.request_id), status)

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """Only what nobody foresaw: every other failure is in the access log by its status."""
        if is_worth_a_log(value):
            path = path_shown(self.request.path)
            log.error("request failed", request_id=self.request_id, path=path, exc_info=(typ, value, tb))
