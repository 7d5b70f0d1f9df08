"""Who may call what: a case per method of every route, tried by each caller in `test_matrix.py`."""

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from handlers.api_docs import OPENAPI, POSTMAN
from handlers.pages import LINKS
from hub.webhooks.receiver import PATH as RECEIVER
from models.clock import now, timestamp
from models.ids import new_id
from tests.site import PASSWORD

_ID: Final = "([A-Za-z0-9_]{1,64})"
_USER: Final = f"/api/admin/users/{_ID}"
_RATE: Final = f"/api/admin/exchange-rates/{_ID}"
_WEBHOOK: Final = f"/api/admin/webhooks/{_ID}"
_USER_WEBHOOK: Final = f"/v1/webhooks/{_ID}"
_CONVERSATION: Final = f"/api/history/{_ID}"
_STREAM: Final = f"/api/streams/{_ID}"
_CHECKOUT: Final = f"/checkout/{_ID}"
_ANALYSIS: Final = f"/api/doc-analyzer/analyses/{_ID}"
_API_KEY: Final = f"/v1/auth/api-keys/{_ID}"
_PROJECT: Final = f"/api/projects/{_ID}"
_WORKFLOW: Final = f"/api/workflows/{_ID}"
_EXECUTION: Final = f"{_WORKFLOW}/executions/{_ID}"
_NOTIFY: Final = f"{_WORKFLOW}/notify"
_SECRET: Final = "(wf_[A-Za-z0-9_-]{16,64})"
_PLAYGROUND_KEY: Final = f"/api/v1/api-keys/{_ID}"
_PLAYGROUND_WEBHOOK: Final = f"/api/v1/webhooks/{_ID}"


@dataclass(frozen=True)
class Case:
    """`status`: what who is admitted gets. `thing`: what the path's ids are of; `owned`, of its owner alone. `shut_out`:
    whom a socket turns away at its upgrade, where the mark is public because a credential may come later.
    """

    status: int = 200
    body: Any = None
    thing: str | None = None
    owned: bool = False
    shut_out: tuple[str, ...] = ()

    def sent(self) -> Any:
        """Its body. Each payment and each address is another one."""
        text = json.dumps(self.body).replace("{intent}", new_id("pi"))
        text = text.replace("{yesterday}", timestamp(now() - timedelta(days=1)))
        return json.loads(text.replace("{address}", f"{new_id('a')}@example.com"))


# An empty body that is found wanting shows that the method was reached, and changes nothing.
_REACHED: Final = Case(422, {})
_NEW_RATE: Final = {"fromType": "credits", "toType": "points", "rate": 1200, "isActive": False}
_NOBODY_LISTENS: Final = "http://127.0.0.1:9/hook"  # what is sent there at once is refused at once
_NEW_WEBHOOK: Final = {
    "url": _NOBODY_LISTENS,
    "events": ["user.created"],
    "secret": "a-secret-of-many-characters",
    "active": True,
}
_PURCHASE: Final = {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000}
_POINTS: Final = {
    "pointsAmount": 10000,
    "paymentDetails": {"stripeSessionId": "sess_1", "stripePaymentIntentId": "{intent}", "amount": 10},
}
_CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}
_PROMPT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}]}
_EMBEDDING: Final = {"model": "text-embedding-3-small", "input": "Hello"}
_MCP_CHAT: Final = {"model": "gpt-4", "messages": [{"role": "user", "content": "Hello"}], "maxTokens": 5}
NEW_PUSH_SUBSCRIPTION: Final = {
    "endpoint": "https://push.example.com/send/{address}",
    "expirationTime": None,
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}
NEW_CONVERSATION: Final = {"message": "Hello", "max_tokens": 5}
NEW_ANALYSIS: Final = {"source_type": "url", "source_url": "http://docs.invalid/openapi.json"}
_CODE: Final = {"integration_type": "google", "oauth_code": "4/0AX4XfWh..."}
NEW_KEY: Final = {"name": "A key"}
NEW_PROJECT: Final = {"name": "A project"}
NEW_WORKFLOW: Final = {
    "name": "A workflow",
    "definition": {
        "trigger": {"type": "webhook", "config": {}},
        "nodes": [{"id": "ask", "type": "approval", "config": {"message": "Go on?"}}],
        "edges": [{"from": "trigger", "to": "ask"}],
    },
}
TOLD_WORKFLOW: Final = {**NEW_WORKFLOW, "notify_url": _NOBODY_LISTENS}
NEW_USER_WEBHOOK: Final = {"url": _NOBODY_LISTENS, "events": ["chat.completion", "billing.charge"]}
_TOP_UP: Final = {"amount": 50.0, "currency": "USD", "paymentMethod": "card"}
_EVENT: Final = {"eventType": "ai_interaction", "eventName": "chat_completion", "properties": {"tokens": 30}}
_PASSWORDS: Final = {"currentPassword": PASSWORD, "newPassword": "newSecurePassword123"}


def _of_webhook(path: str, name: str, owned: bool) -> dict[tuple[str, str], Case]:
    """What each API has of one webhook."""
    return {
        ("GET", path): Case(thing=name, owned=owned),
        ("PUT", path): Case(200, {"active": False}, name, owned),
        ("DELETE", path): Case(thing=name, owned=owned),
        ("POST", f"{path}/rotate-secret"): Case(thing=name, owned=owned),
        ("POST", f"{path}/test"): Case(200, {}, name, owned),
        ("POST", f"{path}/replay"): Case(200, {"from": "{yesterday}"}, name, owned),
        ("GET", f"{path}/deliveries"): Case(thing=name, owned=owned),
        ("GET", f"{path}/deliveries/{_ID}"): Case(thing=f"{name}'s delivery", owned=owned),
        ("POST", f"{path}/deliveries/{_ID}/resend"): Case(thing=f"{name}'s delivery", owned=owned),
    }


_SOCKET: Final = Case(101)  # the service has no token of a user, and is a stranger here

CASES: Final[dict[tuple[str, str], Case]] = {
    ("POST", "/api/auth/register"): _REACHED,
    ("POST", "/api/auth/login"): _REACHED,
    ("POST", "/api/auth/refresh"): _REACHED,
    ("POST", "/api/auth/forgot-password"): _REACHED,
    ("POST", "/api/auth/reset-password"): _REACHED,
    ("POST", "/api/auth/verify-email"): _REACHED,
    ("POST", "/api/auth/google/exchange"): _REACHED,
    ("GET", "/api/auth/google"): Case(503),
    ("GET", "/api/auth/google/callback"): Case(302),
    ("GET", "/api/auth/methods"): Case(),
    ("POST", "/api/webhooks/stripe"): Case(503, {}),
    ("POST", RECEIVER): Case(401, {}),  # what nobody signed
    ("GET", "/api/health"): Case(),
    ("GET", "/readyz"): Case(),
    ("GET", "/metrics"): Case(),
    ("POST", "/api/auth/logout"): Case(),
    ("POST", "/api/auth/resend-verification"): Case(),
    ("GET", "/api/auth/me"): Case(),
    ("GET", "/api/auth/2fa"): Case(),
    ("POST", "/api/auth/2fa/setup"): Case(200, {"password": PASSWORD}),
    ("POST", "/api/auth/2fa/verify"): Case(409, {"code": "123456"}),  # nothing was begun, or is on
    ("POST", "/api/auth/2fa/disable"): Case(409, {"password": PASSWORD}),
    ("POST", "/api/auth/2fa/recovery-codes"): Case(409, {"code": "123456"}),
    ("GET", "/api/users/me"): Case(),
    ("PUT", "/api/users/me"): Case(200, {"firstName": "Grace"}),
    ("PUT", "/api/users/me/password"): Case(200, _PASSWORDS),
    ("GET", "/api/credits/balance"): Case(),
    ("GET", "/api/credits/history"): Case(),
    ("POST", "/api/credits/purchase"): Case(200, _PURCHASE),
    ("GET", "/api/credits/packages"): Case(),
    ("GET", "/api/credits/auto-recharge"): Case(),
    ("PUT", "/api/credits/auto-recharge"): Case(200, {"enabled": False}),
    ("POST", "/api/credits/gift"): Case(400, {}),
    ("GET", "/api/notifications"): Case(),
    ("PUT", f"/api/notifications/{_ID}/read"): Case(thing="notification", owned=True),
    ("PUT", "/api/notifications/read-all"): Case(),
    ("GET", "/api/notifications/settings"): Case(),
    ("PUT", "/api/notifications/settings"): Case(200, {"emailNotifications": False}),
    ("GET", "/api/notifications/push"): Case(),
    ("POST", "/api/notifications/push/subscriptions"): Case(201, NEW_PUSH_SUBSCRIPTION),
    ("DELETE", f"/api/notifications/push/subscriptions/{_ID}"): Case(thing="push subscription", owned=True),
    ("GET", "/api/v1/points/balance"): Case(),
    ("GET", "/api/v1/points/history"): Case(),
    ("POST", "/api/v1/points/exchange-from-credits"): Case(200, {"creditAmount": 1}),
    ("POST", "/api/v1/points/purchase"): Case(200, _POINTS),
    ("POST", "/api/v1/points/claim-daily-reward"): Case(),
    ("GET", "/api/v1/points/daily-reward-status"): Case(),
    ("GET", "/api/v1/wallet/balance"): Case(),
    ("POST", "/api/v1/mcp/points/deduct"): Case(200, {"amount": 1, "description": "Used"}),
    ("GET", "/api/mcp/models"): Case(),
    ("POST", "/api/mcp/chat/completions"): Case(200, _MCP_CHAT),
    ("POST", "/v1/auth/register"): Case(400, {}),
    ("POST", "/v1/auth/login"): Case(400, {}),
    ("GET", "/v1/auth/api-keys"): Case(),
    ("POST", "/v1/auth/api-keys"): Case(201, NEW_KEY),
    ("GET", _API_KEY): Case(thing="API key", owned=True),
    ("PUT", _API_KEY): Case(200, {"name": "Another name"}, "API key", owned=True),
    ("DELETE", _API_KEY): Case(thing="API key", owned=True),
    ("GET", "/v1/models"): Case(),
    ("GET", "/v1/models/(.+)"): Case(thing="model"),
    ("POST", "/v1/chat/completions"): Case(200, _CHAT),
    ("POST", "/v1/messages"): Case(200, _CHAT),
    ("POST", "/v1/messages/count_tokens"): Case(200, _PROMPT),
    ("POST", "/v1/embeddings"): Case(200, _EMBEDDING),
    ("GET", "/v1/billing/balance"): Case(),
    ("GET", "/v1/billing/history"): Case(),
    ("POST", "/v1/billing/balance/credit"): Case(200, _TOP_UP),
    ("GET", "/v1/analytics/dashboard"): Case(),
    ("GET", "/v1/analytics/events"): Case(),
    ("POST", "/v1/analytics/events"): Case(200, _EVENT),
    ("GET", "/v1/webhooks"): Case(),
    ("POST", "/v1/webhooks"): Case(201, NEW_USER_WEBHOOK),
    **_of_webhook(_USER_WEBHOOK, "user webhook", owned=True),
    ("POST", "/api/v1/ai/chat"): Case(200, _CHAT),
    ("POST", "/api/v1/ai/generate"): Case(200, {"prompt": "Hello", "max_tokens": 5}),
    ("GET", "/api/v1/ai/models"): Case(),
    ("POST", "/api/ai/chat"): Case(200, NEW_CONVERSATION),
    ("GET", "/api/models"): Case(),
    ("GET", "/api/history"): Case(),
    ("GET", f"{_CONVERSATION}/export"): Case(thing="conversation", owned=True),
    ("PATCH", _CONVERSATION): Case(200, {"title": "A title"}, "conversation", owned=True),
    ("DELETE", _CONVERSATION): Case(thing="conversation", owned=True),
    ("GET", "/api/v1/ai/usage"): Case(),
    ("GET", "/api/v1/usage"): Case(),
    ("PUT", "/api/auth/profile"): Case(200, {"email": "{address}"}),
    ("PUT", "/api/auth/password"): Case(200, {"oldPassword": PASSWORD, "newPassword": "NewSecurePass456!"}),
    ("GET", "/api/v1/api-keys"): Case(),
    ("POST", "/api/v1/api-keys"): Case(201, {**NEW_KEY, "permissions": ["ai:read"]}),
    ("GET", _PLAYGROUND_KEY): Case(thing="API key", owned=True),
    ("PUT", _PLAYGROUND_KEY): Case(200, {"name": "Another name"}, "API key", owned=True),
    ("DELETE", _PLAYGROUND_KEY): Case(thing="API key", owned=True),
    ("GET", "/api/v1/webhooks"): Case(),
    ("POST", "/api/v1/webhooks"): Case(201, NEW_USER_WEBHOOK),
    **_of_webhook(_PLAYGROUND_WEBHOOK, "Playground webhook", owned=True),
    ("GET", "/api/monitoring/stats"): Case(),
    ("GET", "/api/dashboard/stats"): Case(),
    ("GET", "/api/rankings"): Case(),
    ("GET", "/api/projects"): Case(),
    ("POST", "/api/projects"): Case(201, NEW_PROJECT),
    ("GET", _PROJECT): Case(thing="project", owned=True),
    ("PUT", _PROJECT): Case(200, {"name": "Another name"}, "project", owned=True),
    ("DELETE", _PROJECT): Case(thing="project", owned=True),
    ("POST", f"{_PROJECT}/restore"): Case(thing="project", owned=True),
    ("GET", "/api/workflows"): Case(),
    ("POST", "/api/workflows"): Case(201, NEW_WORKFLOW),
    ("GET", _WORKFLOW): Case(thing="workflow", owned=True),
    ("PUT", _WORKFLOW): Case(200, {"name": "Another name"}, "workflow", owned=True),
    ("DELETE", _WORKFLOW): Case(thing="workflow", owned=True),
    ("POST", f"{_WORKFLOW}/rotate-secret"): Case(thing="workflow", owned=True),
    ("POST", f"{_NOTIFY}/test"): Case(200, thing="told workflow", owned=True),
    ("POST", f"{_NOTIFY}/replay"): Case(200, {"from": "{yesterday}"}, "told workflow", owned=True),
    ("GET", f"{_NOTIFY}/deliveries"): Case(thing="told workflow", owned=True),
    ("GET", f"{_NOTIFY}/deliveries/{_ID}"): Case(thing="told workflow's delivery", owned=True),
    ("POST", f"{_NOTIFY}/deliveries/{_ID}/resend"): Case(thing="told workflow's delivery", owned=True),
    ("POST", f"{_WORKFLOW}/execute"): Case(200, {}, "workflow", owned=True),
    ("GET", f"{_WORKFLOW}/executions"): Case(thing="workflow", owned=True),
    ("GET", _EXECUTION): Case(thing="execution", owned=True),
    ("POST", f"{_EXECUTION}/cancel"): Case(thing="execution", owned=True),
    ("POST", f"{_EXECUTION}/approvals/([A-Za-z0-9_-]{{1,64}})"): Case(200, {"approved": True}, "approval", owned=True),
    ("POST", f"/webhooks/{_SECRET}"): Case(200, {}, "workflow address"),
    ("POST", f"/webhooks/([0-9]{{1,16}})/{_SECRET}"): Case(200, {}, "workflow and its address"),
    ("POST", "/webhooks/telegram/([A-Za-z0-9_-]{1,64})"): Case(404, {}, "bot of nobody"),
    ("POST", f"/api/history/messages/{_ID}/rating"): Case(200, {"rating": "up"}, "answer", owned=True),
    ("POST", "/api/doc-analyzer/analyze"): Case(200, NEW_ANALYSIS),
    ("GET", "/api/doc-analyzer/analyses"): Case(),
    ("GET", _ANALYSIS): Case(thing="analysis", owned=True),
    ("DELETE", _ANALYSIS): Case(thing="analysis", owned=True),
    ("POST", "/api/doc-analyzer/export/xlsx"): Case(404, {"analysis_id": "analysis_none"}),
    ("POST", "/api/doc-analyzer/export/sheets"): Case(503, {"analysis_id": "analysis_none"}),  # Google is not set up
    ("GET", "/api/integrations"): Case(),
    ("POST", "/api/integrations/connect"): Case(503, _CODE),  # Google is not set up
    ("POST", "/api/integrations/test"): Case(400),  # of nothing
    ("POST", "/api/integrations/disconnect"): Case(400),
    ("GET", "/api/integrations/google/authorize"): Case(503),
    ("GET", "/api/integrations/google/callback"): Case(302),
    **{(method, "/integrations/google"): Case() for method in ("GET", "HEAD")},
    ("GET", _STREAM): Case(thing="stream", owned=True),
    ("DELETE", _STREAM): Case(thing="stream", owned=True),
    ("GET", f"{_STREAM}/events"): Case(thing="stream", owned=True),
    ("GET", "/ws"): _SOCKET,
    ("GET", "/v1/ai/stream"): _SOCKET,
    ("GET", "/ws/admin"): Case(101, shut_out=("another user", "owner")),
    **{(method, path): Case() for method in ("GET", "HEAD") for path in ("/", "/admin", "/sw.js", *LINKS)},
    **{(method, path): Case() for method in ("GET", "HEAD") for path in ("/api", "/api/", OPENAPI, POSTMAN)},
    **{(method, "/unsubscribe"): Case(400) for method in ("GET", "HEAD")},  # without a letter's token
    ("POST", "/unsubscribe"): Case(400, {}),
    **{(method, _CHECKOUT): Case(thing="checkout") for method in ("GET", "HEAD")},
    ("POST", _CHECKOUT): Case(400, {}, "checkout"),  # without the form's fields
    **{(method, "/static/(.*)"): Case(thing="file") for method in ("GET", "HEAD")},
    ("GET", "/api/announcements"): Case(),
    ("GET", "/api/admin/users"): Case(),
    ("GET", _USER): Case(thing="user"),
    ("PUT", _USER): Case(200, {"credits": 1500}, "user"),
    ("DELETE", f"{_USER}/2fa"): Case(409, thing="user"),  # it is off
    ("POST", f"{_USER}/credits/adjust"): Case(200, {"amount": 5, "reason": "A gift", "type": "bonus"}, "user"),
    ("GET", "/api/admin/audit-log"): Case(),
    ("GET", "/api/admin/metrics"): Case(),
    ("GET", "/api/admin/stats/points"): Case(),
    ("GET", "/api/admin/announcements"): Case(),
    ("POST", "/api/admin/announcements"): Case(201, {"title": "News", "message": "All is well"}),
    ("DELETE", f"/api/admin/announcements/{_ID}"): Case(thing="announcement"),
    ("GET", "/api/admin/exchange-rates"): Case(),
    ("POST", "/api/admin/exchange-rates"): Case(201, _NEW_RATE),
    ("PUT", _RATE): Case(200, {"rate": 1300}, "rate"),
    ("DELETE", _RATE): Case(thing="rate"),
    ("GET", "/api/admin/webhooks"): Case(),
    ("POST", "/api/admin/webhooks"): Case(201, _NEW_WEBHOOK),
    **_of_webhook(_WEBHOOK, "webhook", owned=False),
}

# How an administrator makes what the ids of a path are of.
MAKING: Final[dict[str, tuple[str, Any]]] = {
    "announcement": ("/api/admin/announcements", {"title": "News", "message": "All is well"}),
    "rate": ("/api/admin/exchange-rates", _NEW_RATE),
    "webhook": ("/api/admin/webhooks", _NEW_WEBHOOK),
}
