"""What the hub refuses to start with: overlapping paths, methods without an access mark; and how it writes its log."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tornado.web import RequestHandler

from handlers.access import Access, access_of, admin, methods_of, public, scope, unmarked, user
from handlers.application import ROUTES, every_route
from handlers.base import ApiHandler
from handlers.routing import SHARED_PATHS, Route, RoutesError, check_overlaps
from hub.errors import Code, HubError
from hub.identity_cache import Identity

ROOT = Path(__file__).parents[2]

# Which routes have limits of their own; all others are `general`.
LIMIT_CLASSES = {
    "auth": """
        /api/auth/register
        /api/auth/login
        /api/auth/logout
        /api/auth/refresh
        /api/auth/google
        /api/auth/google/callback
        /api/auth/google/exchange
        /api/auth/2fa/setup
        /api/auth/2fa/verify
        /api/auth/2fa/disable
        /api/auth/2fa/recovery-codes
        /api/auth/forgot-password
        /api/auth/reset-password
        /api/auth/verify-email
        /api/auth/resend-verification
        /api/auth/profile
        /api/auth/password
    """,
    "api-keys": """
        /api/v1/api-keys
        /api/v1/api-keys/([A-Za-z0-9_]{1,64})
    """,
    "webhooks": """
        /api/v1/webhooks
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/rotate-secret
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/test
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/replay
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/deliveries
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/deliveries/([A-Za-z0-9_]{1,64})
        /api/v1/webhooks/([A-Za-z0-9_]{1,64})/deliveries/([A-Za-z0-9_]{1,64})/resend
    """,
    "mcp": """
        /api/mcp/models
        /api/mcp/chat/completions
        /api/v1/mcp/points/deduct
    """,
    "ai": """
        /v1/ai/stream
        /api/v1/ai/chat
        /api/v1/ai/generate
        /api/v1/ai/models
        /api/v1/ai/usage
    """,
    "usage": """
        /api/v1/usage
    """,
    "admin": """
        /api/admin/users
        /api/admin/users/([A-Za-z0-9_]{1,64})
        /api/admin/users/([A-Za-z0-9_]{1,64})/2fa
        /api/admin/users/([A-Za-z0-9_]{1,64})/credits/adjust
        /api/admin/audit-log
        /api/admin/metrics
        /api/admin/stats/points
        /api/admin/announcements
        /api/admin/announcements/([A-Za-z0-9_]{1,64})
        /api/admin/exchange-rates
        /api/admin/exchange-rates/([A-Za-z0-9_]{1,64})
        /api/admin/webhooks
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/rotate-secret
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/test
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/replay
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/deliveries
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/deliveries/([A-Za-z0-9_]{1,64})
        /api/admin/webhooks/([A-Za-z0-9_]{1,64})/deliveries/([A-Za-z0-9_]{1,64})/resend
    """,
}
NOT_COUNTED = """
    /api/v1/mcp/points/deduct
    /api/webhooks/stripe
    /api/health
    /readyz
    /metrics
    /ws
    /ws/admin
    /v1/ai/stream
    /webhooks/(wf_[A-Za-z0-9_-]{16,64})
    /webhooks/([0-9]{1,16})/(wf_[A-Za-z0-9_-]{16,64})
    /webhooks/telegram/([A-Za-z0-9_-]{1,64})
"""


class Marked(ApiHandler):
    @user
    def get(self) -> None: ...


class Unmarked(Marked):
    def post(self) -> None: ...


def test_a_method_without_a_mark_is_found() -> None:
    assert unmarked(Unmarked) == ["POST"]
    assert unmarked(Marked) == []
    assert set(methods_of(Marked)) == {"GET", "OPTIONS"}
    assert access_of(RequestHandler, "GET") is None and access_of(Marked, "TRACE") is None


def test_every_route_is_marked_and_none_overlaps() -> None:
    check_overlaps(ROUTES)
    assert {route.handler.__name__: unmarked(route.handler) for route in ROUTES if unmarked(route.handler)} == {}


def test_what_several_apis_document_is_the_declared_list() -> None:
    assert {route.pattern for route in ROUTES if len(route.apis) > 1} <= SHARED_PATHS


def test_each_route_has_its_limit_class() -> None:
    expected = {pattern: name for name, patterns in LIMIT_CLASSES.items() for pattern in patterns.split()}
    found = {route.pattern: route.limit_class for route in every_route()}
    assert found == {**dict.fromkeys(found, "general"), **expected}


def test_what_is_not_counted_is_the_declared_list() -> None:
    assert sorted(route.pattern for route in every_route() if not route.counted) == sorted(NOT_COUNTED.split())


@pytest.mark.parametrize(
    "routes",
    [
        [Route("/api/a", Marked, ("smart_ai_hub",)), Route("/api/a", Marked, ("ai_assistant",))],
        [Route("/api/([a-z0-9]+)", Marked, ("smart_ai_hub",)), Route("/api/a", Marked, ("smart_ai_hub",))],
        [Route("/api/a", Marked, ("smart_ai_hub", "ai_assistant"))],
    ],
)
def test_overlaps_stop_the_start(routes: list[Route]) -> None:
    with pytest.raises(RoutesError):
        check_overlaps(routes)


def test_a_misspelt_permission_stops_the_import() -> None:
    with pytest.raises(ValueError, match="ai:rite"):
        scope("ai:rite")


def identity(role: str = "user", kind: str = "token", permissions: frozenset[str] | None = None) -> Identity:
    return Identity("user_1", role, "free", kind, None, None, permissions, None, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("access", "who", "allowed"),
    [
        (Access("user"), identity(), True),
        (Access("user"), identity(kind="service"), False),
        (Access("service"), identity(kind="service"), True),
        (Access("service"), identity(role="admin"), False),
        (Access("admin"), identity(), False),
        (Access("admin"), identity(role="admin"), True),
        (Access("admin"), identity(role="admin", kind="key"), False),
        (Access("scope", "ai:write"), identity(), True),
        (Access("scope", "ai:write"), identity(kind="key", permissions=frozenset({"ai:read"})), False),
        (Access("scope", "ai:write"), identity(kind="key", permissions=frozenset({"ai:write"})), True),
        (Access("scope", "ai:write"), identity(kind="key"), True),
        (Access("scope", "account:write"), identity(kind="key"), False),
        (Access("scope", "account:write"), identity(kind="key", permissions=frozenset({"account:write"})), True),
        (Access("login"), identity(), True),
        (Access("login"), identity(kind="service"), False),
        (Access("login"), identity(kind="key", permissions=frozenset({"account:write"})), False),
    ],
)
def test_access_is_what_the_mark_says(access: Access, who: Identity, allowed: bool) -> None:
    if allowed:
        access.check(who)
        return
    with pytest.raises(HubError) as caught:
        access.check(who)
    assert caught.value.code is Code.FORBIDDEN


def test_marks_stay_on_their_methods() -> None:
    class Two(ApiHandler):
        @admin
        def get(self) -> None: ...

        @public
        def post(self) -> None: ...

    assert access_of(Two, "GET") == Access("admin") and access_of(Two, "POST") == Access("public")


_WRITES_A_LOG = """
import logging, sys, structlog
from handlers import logs
logs.configure(sys.argv[1] == "production")
structlog.get_logger("x").info("name\\r\\n[31m\\x1b[31m", path="/a\\nb")
try:
    raise ValueError("Bearer abc.def.ghi token=CANARY")
except ValueError:
    structlog.get_logger("x").exception("failed")
    logging.getLogger("tornado.application").error("in %s", "CANARY_NOT", exc_info=True)
"""


def _log(env: str) -> str:
    run = subprocess.run([sys.executable, "-W", "error", "-c", _WRITES_A_LOG, env], cwd=ROOT, capture_output=True)
    assert run.returncode == 0, run.stderr
    return run.stderr.decode()


def test_in_production_each_event_is_one_line_of_json_without_secrets() -> None:
    lines = _log("production").splitlines()
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == ["name\r\n[31m\x1b[31m", "failed", "in CANARY_NOT"]
    assert "ValueError" in events[1]["exception"] and "ValueError" in events[2]["exception"]
    assert "abc.def" not in str(lines) and "token=CANARY" not in str(lines)


def test_in_development_control_characters_are_written_out() -> None:
    written = _log("development")
    assert "/a\\nb" in written and "abc.def" not in written and "\r" not in written
