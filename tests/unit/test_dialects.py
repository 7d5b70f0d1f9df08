"""The dialects' tables are total, and the rules that choose a dialect give what the documents say."""

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine
from tornado.web import HTTPError

from config import settings
from config.plans import Limit
from handlers import addressing
from handlers.credentials import credential_of
from handlers.dialects import ANTHROPIC, DIALECTS, OPENAI_TYPES, Page, whole_seconds
from handlers.failures import as_hub_error
from handlers.logs import masked, printable
from hub.counters import MemoryCounters
from hub.errors import Code, FieldError, HubError
from hub.identity_cache import Credential
from hub.rate_limits import Limited
from models.database import DatabaseError, DatabaseUnavailable, OutcomeUnknown

DOCUMENTED = {
    "smart_ai_hub": "VALIDATION_ERROR AUTHENTICATION_FAILED AUTHORIZATION_FAILED RESOURCE_NOT_FOUND RESOURCE_CONFLICT "
    "RATE_LIMIT_EXCEEDED INTERNAL_ERROR SERVICE_UNAVAILABLE",
    "ai_aggregator": "INVALID_REQUEST UNAUTHORIZED FORBIDDEN NOT_FOUND RATE_LIMITED INSUFFICIENT_FUNDS PROVIDER_ERROR "
    "INTERNAL_ERROR",
    "ai_playground": "VALIDATION_ERROR AUTHENTICATION_ERROR AUTHORIZATION_ERROR NOT_FOUND RATE_LIMIT_EXCEEDED "
    "SERVER_ERROR SERVICE_UNAVAILABLE",
    "ai_assistant": "INVALID_CREDENTIALS INSUFFICIENT_CREDITS RATE_LIMIT_EXCEEDED INVALID_INPUT RESOURCE_NOT_FOUND",
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_error_has_a_code_and_a_status(name: str) -> None:
    assert set(DIALECTS[name].codes) == set(Code) == set(OPENAI_TYPES)
    assert all(400 <= status < 600 and code for status, code in DIALECTS[name].codes.values())
    assert set(DOCUMENTED[name].split()) <= {code for _, code in DIALECTS[name].codes.values()}


ANTHROPICS = """
    invalid_request_error authentication_error billing_error permission_error not_found_error rate_limit_error
    overloaded_error api_error conflict_error request_too_large
"""


def test_anthropics_form_says_every_error_in_its_own_words() -> None:
    assert set(ANTHROPIC.codes) == set(Code)
    assert {kind for _, kind in ANTHROPIC.codes.values()} == set(ANTHROPICS.split())
    assert ANTHROPIC.codes[Code.INSUFFICIENT_CREDITS] == (402, "billing_error")
    aggregator = DIALECTS["ai_aggregator"]
    assert {code: status for code, (status, _) in ANTHROPIC.codes.items()} == {
        code: status for code, (status, _) in aggregator.codes.items()
    }
    assert ANTHROPIC.name == aggregator.name and ANTHROPIC not in DIALECTS.values()


def test_a_pause_is_never_told_shorter_than_it_is() -> None:
    error = HubError(Code.RATE_LIMITED, "Too many", retry_after_seconds=1.2)
    assert DIALECTS["ai_assistant"].error(error, "RATE_LIMIT_EXCEEDED", "req_1")["error"]["retry_after"] == 2
    assert [whole_seconds(seconds) for seconds in (0, 0.4, 1, 1.01)] == [1, 1, 1, 2]


def test_anthropics_form_names_each_failure_in_the_message() -> None:
    error = HubError(Code.INVALID, "bad", [FieldError("system", "is wrong", "x"), FieldError("top_p", "is high", 9)])
    assert ANTHROPIC.error(error, "invalid_request_error", "req_1") == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "system: is wrong; top_p: is high"},
        "request_id": "req_1",
    }
    plain = ANTHROPIC.error(HubError(Code.NOT_FOUND, "No such model"), "not_found_error", "req_1")
    assert plain["error"]["message"] == "No such model"


@pytest.mark.parametrize(
    ("path", "is_anthropics"),
    [
        ("/v1/messages", True),
        ("/v1/messages/count_tokens", True),
        ("/v1/messages/", True),
        ("/v1/messages2", False),
        ("/v1/models", False),
        ("/api/v1/messages", False),
    ],
)
def test_which_paths_are_in_anthropics_form(path: str, is_anthropics: bool) -> None:
    assert (addressing.of_form(path) is ANTHROPIC) is is_anthropics


@pytest.mark.parametrize(
    ("code", "statuses"),
    [
        (Code.MALFORMED, (400, 400, 400, 400)),
        (Code.INVALID, (422, 400, 400, 400)),
        (Code.INSUFFICIENT_CREDITS, (402, 402, 402, 402)),
        (Code.KEY_REUSED, (422, 422, 422, 422)),
        (Code.IN_FLIGHT, (409, 409, 409, 409)),
        (Code.PROVIDER_FAILED, (503, 502, 503, 503)),
    ],
)
def test_statuses_are_those_of_the_design(code: Code, statuses: tuple[int, ...]) -> None:
    assert tuple(dialect.codes[code][0] for dialect in DIALECTS.values()) == statuses


def test_smart_ai_hubs_answers_have_the_documented_version() -> None:
    hub = DIALECTS["smart_ai_hub"]
    error = hub.error(HubError(Code.NOT_FOUND, "No such user"), "RESOURCE_NOT_FOUND", "req_1")
    bodies = (hub.success(None, "Done", "req_1"), hub.page("users", [], Page(20, 0, 0), "req_1"), error)
    for body in bodies:
        assert (body["meta"]["version"], body["meta"]["requestId"]) == ("1.0", "req_1")


def test_validation_details_have_each_apis_form() -> None:
    error = HubError(Code.INVALID, "bad", [FieldError("email", "is wrong", "x" * 200), FieldError("n", "is high", 9)])
    listed = [{"field": "email", "message": "is wrong"}, {"field": "n", "message": "is high"}]
    hub, aggregator, playground, assistant = (
        dialect.error(error, dialect.codes[error.code][1], "req_1")["error"] for dialect in DIALECTS.values()
    )
    assert hub["details"] == listed and playground["details"]["errors"] == listed
    assert aggregator["details"] == {"field": "email", "reason": "is wrong", "errors": listed}
    assert (aggregator["type"], aggregator["param"]) == ("invalid_request_error", "email")
    assert assistant["details"] == {"field": "email", "value": "x" * 100, "errors": listed}


def test_what_is_wrong_as_a_whole_has_a_field_and_a_reason_too() -> None:
    dialect = DIALECTS["ai_aggregator"]
    for code in (code for code, (_, name) in dialect.codes.items() if name == "INVALID_REQUEST"):
        error = dialect.error(HubError(code, "It is no JSON"), "INVALID_REQUEST", "req_1")["error"]
        assert (error["details"], error["param"]) == ({"field": "body", "reason": "It is no JSON"}, None)
    assert dialect.error(HubError(Code.NOT_FOUND, "None"), "NOT_FOUND", "req_1")["error"]["details"] == {}


def test_a_secret_is_never_shown_back() -> None:
    for field in ("password", "user.newPassword", "secret"):
        error = HubError(Code.INVALID, "bad", [FieldError(field, "is short", "hunter2")])
        assert "hunter2" not in str(DIALECTS["ai_assistant"].error(error, "INVALID_INPUT", "req_1"))


def test_pages_in_each_form() -> None:
    page = Page(limit=10, offset=20, total=45)
    bodies = {name: dialect.page("items", [1], page, "req_1") for name, dialect in DIALECTS.items()}
    assert bodies["smart_ai_hub"]["pagination"]["page"] == 3 and bodies["smart_ai_hub"]["pagination"]["totalPages"] == 5
    assert bodies["ai_aggregator"]["pagination"] == {"total": 45, "limit": 10, "offset": 20, "hasMore": True}
    assert bodies["ai_playground"]["data"]["pagination"]["has_prev"] is True
    assert bodies["ai_assistant"] == {"items": [1], "total": 45, "limit": 10, "offset": 20}


HOSTS = settings.DEFAULT_API_HOSTS
ME = ("smart_ai_hub", "ai_playground", "ai_assistant")


@pytest.mark.parametrize(
    ("apis", "host", "by_cookie", "chosen"),
    [
        (ME, "localhost:8000", False, "ai_assistant"),
        (ME, "LOCALHOST:8000", False, "ai_assistant"),
        (ME, "your-api-domain.com", True, "ai_playground"),
        (ME, "your-api-domain.com:443", False, "ai_playground"),
        (ME, "your-api-domain.com:80", False, "ai_playground"),
        (ME, "your-api-domain.com.", False, "ai_playground"),
        (ME, "your-api-domain.com:8443", False, "smart_ai_hub"),
        (ME, "localhost:3001", False, "smart_ai_hub"),
        (ME, "localhost:3001", True, "ai_assistant"),
        (ME, "localhost:3000", False, "smart_ai_hub"),  # AI Aggregator does not document the path
        (ME[:2], "localhost:8000", True, "smart_ai_hub"),
    ],
)
def test_shared_paths_go_by_address_then_credential(
    apis: tuple[str, ...], host: str, by_cookie: bool, chosen: str
) -> None:
    assert addressing.of_shared(apis, host, by_cookie, HOSTS).name == chosen


@pytest.mark.parametrize(
    ("path", "host", "chosen"),
    [
        ("/v1/x", "h", "ai_aggregator"),
        ("/v1", "h", "ai_aggregator"),
        ("/v11/x", "h", "smart_ai_hub"),
        ("/api/v1/webhooks/x/y", "h", "ai_playground"),
        ("/api/v1/points/x", "h", "smart_ai_hub"),
        ("/api/rankings/", "h", "ai_assistant"),
        ("/api/aix", "h", "smart_ai_hub"),
        ("/", "h", "smart_ai_hub"),
        ("/v1/x", "localhost:8000", "ai_assistant"),
    ],
)
def test_unknown_paths_go_by_address_then_prefix(path: str, host: str, chosen: str) -> None:
    assert addressing.of_unknown(path, host, HOSTS).name == chosen


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"Authorization": "Bearer abc"}, "", Credential("bearer", "abc")),
        ({"Authorization": "bearer  abc "}, "", Credential("bearer", "abc")),
        ({"Authorization": "Basic abc"}, "", Credential("bearer", "")),
        ({"X-API-Key": "ak_1"}, "", Credential("bearer", "ak_1")),
        ({"Cookie": "auth_token=c"}, "", Credential("cookie", "c")),
        ({"Cookie": "auth_token=c", "Authorization": "Bearer abc"}, "", Credential("bearer", "abc")),
        ({"Cookie": "auth_token=c"}, "?token=q", Credential("bearer", "q")),
        ({"Cookie": "other=c"}, "?api_key=q", Credential("bearer", "q")),
        ({"Cookie": "auth_token="}, "?token=", None),
        ({}, "?token=" + "x" * 5_000, None),
    ],
)
def test_a_header_counts_before_query_and_cookie(
    headers: dict[str, str], query: str, expected: Credential | None
) -> None:
    start_line = RequestStartLine("GET", f"/v1/models{query}", "HTTP/1.1")
    request = HTTPServerRequest(start_line=start_line, headers=HTTPHeaders({"Host": "localhost", **headers}))
    assert credential_of(request, in_query=True) == expected


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (DatabaseUnavailable("mongod at 10.0.0.1"), Code.UNAVAILABLE),
        (OutcomeUnknown("x"), Code.OUTCOME_UNKNOWN),
        (DatabaseError("x"), Code.INTERNAL),
        (HTTPError(405), Code.METHOD_NOT_ALLOWED),
        (HTTPError(418), Code.INTERNAL),
        (KeyError("secret"), Code.INTERNAL),
        (None, Code.INTERNAL),
    ],
)
def test_failures_tell_no_detail(raised: BaseException | None, code: Code) -> None:
    error = as_hub_error(raised)
    assert error.code is code and "10.0.0.1" not in error.message and "secret" not in error.message
    assert (error.retry_after_seconds is not None) == (code in (Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN))


def test_logs_have_no_secrets_and_no_second_line() -> None:
    written = masked(
        "GET /x?token=abc&x=1 Authorization: Bearer abc.def {'password': 'hunter2'} ak_live_123 whsec_QQ=="
    )
    for secret in ("abc", "hunter2", "ak_live_123", "QQ"):
        assert secret not in written
    assert printable("/a\r\nb\x1b[31m\u202ec") == "/a\\r\\nb\\x1b[31m\\u202ec"


def test_windows_begin_with_the_first_request_and_end() -> None:
    counters, limit = MemoryCounters(), Limit(2, 60)
    assert [counters.count("k", limit, 1, moment) for moment in (10.0, 20.0, 69.0)] == [(1, 70.0), (2, 70.0), (3, 70.0)]
    assert counters.count("k", limit, 1, 70.0) == (1, 130.0)
    assert counters.count("k", limit, 0, 71.0) == (1, 130.0)
    assert counters.count("other", limit, 0, 71.0) == (0, 131.0)


def test_openais_clients_find_their_own_names_of_the_limit() -> None:
    limited = Limited(limit=1000, remaining=998, reset=1795801234, allowed=True, retry_after_seconds=37, by="user")
    headers = DIALECTS["ai_aggregator"].limit_headers(limited, "general")
    assert headers == {
        "X-RateLimit-Limit": "1000",
        "X-RateLimit-Remaining": "998",
        "X-RateLimit-Reset": "1795801234",
        "X-RateLimit-Limit-Requests": "1000",
        "X-RateLimit-Remaining-Requests": "998",
        "X-RateLimit-Reset-Requests": "37s",
    }
