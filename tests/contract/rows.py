"""A row per documented endpoint that exists: the documented example request, its status, and the documented answer.

The answer is written as the document shows it. It stands for its types: each field must be there with the same JSON type,
lists are held against their first item, and `None` leaves the type open. `by` says what was decided where the document is
silent.
"""

from dataclasses import dataclass
from typing import Any, Literal

HOSTS = {
    "smart_ai_hub": "api.smartaihub.com",
    "ai_aggregator": "localhost:3000",
    "ai_playground": "your-api-domain.com",
    "ai_assistant": "localhost:8000",
}


@dataclass(frozen=True)
class Row:
    """`credential`: what the document authenticates with. `{token}` and `{refresh_token}` in a body are filled in, and the
    ids of a path are those of things that exist. `streamed`: the answer is that of each server-sent event with a delta.
    """

    api: str
    method: str
    path: str
    answer: Any
    body: Any = None
    status: int = 200
    credential: Literal["none", "token", "cookie", "admin", "service"] = "token"
    by: str = "the document"
    streamed: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.bare_path}{' streamed' if self.streamed else ''}"

    @property
    def bare_path(self) -> str:
        return self.path.partition("?")[0]


# What was decided where documents are silent.
_ITS_GET = "the document has no answer: the resource as its GET shows it, or a message"
_MADE = "the document; what is made is answered with 201"
_PLAIN_SECRET = "what is made is answered with 201 and shown; a secret that is plain text with `signing_secret`"
_META = {"timestamp": "2023-10-15T10:30:00Z", "requestId": "req_123", "version": "1.0"}
_PAGINATION = {"page": 1, "limit": 20, "total": 50, "totalPages": 3, "hasNext": True, "hasPrev": False}
_TOKENS = {"accessToken": "eyJ", "refreshToken": "eyJ", "expiresIn": 3600}
_NAMES = {"firstName": "John", "lastName": "Doe"}
_SIGN_IN = {"email": "{email}", "password": "{password}"}

_PROFILE = {"phone": "+1234567890", "timezone": "America/New_York", "language": "en"}
_HUB_USER = {
    "id": "user_123",
    "email": "user@example.com",
    **_NAMES,
    "role": "user",
    "emailVerified": True,
    "createdAt": "2023-10-15T10:30:00Z",
}
_HUB_LOGIN = {"success": True, "data": {"user": _HUB_USER, "tokens": _TOKENS}}
_PLAYGROUND_USER = {
    "id": "507f1f77bcf86cd799439011",
    "username": "johndoe",
    "email": "john@example.com",
    "tier": "free",
    "created_at": "2025-11-11T22:00:00.000Z",
}
_PLAYGROUND_LOGIN = {"success": True, "data": {"user": _PLAYGROUND_USER, "token": "eyJ"}, "message": "Login successful"}
_ASSISTANT_LOGIN = {"access_token": "eyJ", "token_type": "bearer", "user": {"id": 1, "email": "user@example.com"}}
_QUOTA = {period: {"used": 15, "limit": 50} for period in ("daily", "weekly", "monthly")}

SMART_AI_HUB = [
    Row("smart_ai_hub", "POST", "/api/auth/login", _HUB_LOGIN, _SIGN_IN, credential="none"),
    Row(
        *("smart_ai_hub", "POST", "/api/auth/register", {**_HUB_LOGIN, "meta": _META}),
        *({"email": "new@example.com", "password": "securePassword123", **_NAMES}, 201, "none", _MADE),
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/auth/refresh", {"success": True, "data": {"tokens": _TOKENS}, "meta": _META}),
        *({"refreshToken": "{refresh_token}"}, 200, "none", _ITS_GET),
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/auth/google?redirect_uri=https://smartaihub.com/auth/callback"),
        {"success": False, "error": {"code": "SERVICE_UNAVAILABLE", "message": "", "details": []}, "meta": _META},
        status=503,
        credential="none",
        by="no GOOGLE_CLIENT_ID by default",
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/auth/forgot-password", {"success": True, "message": "", "meta": _META}),
        *({"email": "{email}"}, 200, "none", _ITS_GET),
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/auth/reset-password", {"success": True, "message": "", "meta": _META}),
        *({"token": "{reset_token}", "newPassword": "newSecurePassword123"}, 200, "none", _ITS_GET),
    ),
    Row("smart_ai_hub", "POST", "/api/auth/logout", {"success": True, "message": "", "meta": _META}, by=_ITS_GET),
    Row(
        *("smart_ai_hub", "GET", "/api/users/me"),
        {"success": True, "data": {**_HUB_USER, "updatedAt": "2023-10-15T10:30:00Z"}},
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/users/me"),
        {"success": True, "data": {**_HUB_USER, **_PROFILE, "updatedAt": "2023-10-15T10:30:00Z"}, "meta": _META},
        {**_NAMES, **_PROFILE},
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/users/me/password", {"success": True, "message": "", "meta": _META}),
        {"currentPassword": "{password}", "newPassword": "newSecurePassword123"},
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/credits/balance"),
        {"success": True, "data": {"userId": "user_123", "balance": 1000, "currency": "credits", "lastUpdated": ""}},
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/credits/history?page=1&limit=20"),
        {
            "success": True,
            "data": [{"id": "t", "type": "", "amount": 500, "balance": 1000, "description": "", "createdAt": ""}],
            "pagination": _PAGINATION,
        },
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/mcp/models"),
        {
            "success": True,
            "data": [
                {
                    "id": "gpt-4",
                    "name": "GPT-4",
                    "provider": "openai",
                    "description": "Advanced language model",
                    "pricing": {"inputTokens": 0.00003, "outputTokens": 0.00006},
                    "capabilities": ["text"],
                }
            ],
        },
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/mcp/chat/completions"),
        {
            "success": True,
            "data": {
                "id": "chatcmpl-123",
                "model": "gpt-4",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finishReason": "stop"}
                ],
                "usage": {"promptTokens": 20, "completionTokens": 15, "totalTokens": 35},
                "cost": 0.00105,
            },
        },
        {
            "model": "gpt-4",
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "Hello, how are you?"},
            ],
            "maxTokens": 1000,
            "temperature": 0.7,
            "stream": False,
        },
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/mcp/chat/completions"),
        {
            "id": "chatcmpl-123",
            "model": "gpt-4",
            "choices": [{"index": 0, "delta": {"content": "Once"}, "finishReason": None}],
        },
        {"model": "gpt-4", "messages": [{"role": "user", "content": "Tell me a story"}], "stream": True},
        by="OpenAI's chunks, with the names of this document",
        streamed=True,
    ),
]

_AGGREGATOR_USER = {"id": "b6793877", "email": "user@example.com", **_NAMES}
_CREATED = "2025-10-05T22:30:00Z"
AI_AGGREGATOR = [
    Row(
        *("ai_aggregator", "POST", "/v1/auth/register"),
        {
            "success": True,
            "message": "User registered successfully",
            "data": {**_AGGREGATOR_USER, "isActive": True, "createdAt": _CREATED},
        },
        *({"email": "new@example.com", "password": "securePassword123", **_NAMES}, 201, "none"),
        by=_MADE,
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/auth/login"),
        {
            "success": True,
            "message": "Login successful",
            "data": {"accessToken": "eyJ", "refreshToken": "eyJ", "user": _AGGREGATOR_USER},
        },
        _SIGN_IN,
        credential="none",
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/auth/api-keys"),
        {
            "success": True,
            "message": "API key created successfully",
            "data": {
                "id": "uuid",
                "key": "ak_live_1234567890abcdef",
                "name": "My API Key",
                "expiresAt": "2099-12-31T23:59:59Z",
                "createdAt": _CREATED,
            },
        },
        *({"name": "My API Key", "expiresAt": "2099-12-31T23:59:59Z"}, 201),
        by="the document, but that its expiry has passed",
    ),
    Row(
        *("ai_aggregator", "GET", "/v1/models"),
        {
            "success": True,
            "models": [
                {
                    "id": "gpt-4",
                    "name": "GPT-4",
                    "provider": "OpenAI",
                    "status": "available",
                    "costPerToken": 0.00003,
                    "maxTokens": 4096,
                }
            ],
        },
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/chat/completions"),
        {
            "id": "chatcmpl-123",
            "object": "chat.completion",
            "created": 1677652288,
            "model": "gpt-4",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21},
        },
        {
            "model": "gpt-4",
            "messages": [{"role": "user", "content": "Hello, how are you?"}],
            "max_tokens": 100,
            "temperature": 0.7,
        },
    ),
]

_USD_BALANCE = {"id": "uuid", "userId": "b6793877", "balance": "100.00", "currency": "USD", "lastUpdated": _CREATED}
_EVENT = {
    "eventType": "ai_interaction",
    "eventName": "chat_completion",
    "properties": {"model": "gpt-4", "tokens": 30, "cost": 0.05},
}
_USER_WEBHOOK = {
    "url": "https://your-app.com/webhook",
    "events": ["chat.completion", "billing.charge"],
    "secret": "your-webhook-secret",
}
AI_AGGREGATOR += [
    Row(
        *("ai_aggregator", "GET", "/v1/billing/balance"),
        {
            "success": True,
            "message": "Balance retrieved successfully",
            "balance": {**_USD_BALANCE, "creditLimit": None},
        },
    ),
    Row(
        *("ai_aggregator", "GET", "/v1/billing/history?limit=10&offset=0"),
        {
            "success": True,
            "transactions": [
                {
                    "id": "uuid",
                    "type": "CREDIT",
                    "amount": 10,
                    "description": "Welcome credits",
                    "provider": None,
                    "model": None,
                    "tokens": None,
                    "createdAt": _CREATED,
                }
            ],
            "pagination": {"total": 150, "limit": 10, "offset": 0, "hasMore": True},
        },
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/billing/balance/credit"),
        {"success": True, "message": "Balance updated successfully", "balance": _USD_BALANCE},
        {"amount": 50.0, "currency": "USD", "paymentMethod": "card"},
    ),
    Row(
        *("ai_aggregator", "GET", "/v1/analytics/dashboard"),
        {
            "success": True,
            "dashboard": {
                "overview": {
                    "totalRequests": 150,
                    "totalTokens": 4500,
                    "totalCost": 12.50,
                    "averageResponseTime": 1500,
                },
                "usage": {"requestsToday": 5, "requestsThisWeek": 35, "requestsThisMonth": 150},
                "costs": {"spentToday": 0.50, "spentThisWeek": 3.50, "spentThisMonth": 12.50},
            },
        },
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/analytics/events"),
        {
            "success": True,
            "data": {"id": "uuid", **_EVENT, "timestamp": _CREATED},
            "message": "Event tracked successfully",
        },
        _EVENT,
        by=_MADE,
    ),
    Row(
        *("ai_aggregator", "POST", "/v1/webhooks"),
        {"success": True, "data": {**_USER_WEBHOOK, "id": "wh_123", "active": True, "signing_secret": "whsec_"}},
        *(_USER_WEBHOOK, 201),
        by=_PLAIN_SECRET,
    ),
]

_MOMENT = "2025-11-11T22:00:00.000Z"
_RENAMED = {"username": "johndoe_updated", "email": "john.updated@example.com"}
_PLAYGROUND_KEY = {
    "id": "key-123456",
    "name": "My Application",
    "permissions": ["ai:read", "ai:write"],
    "created_at": _MOMENT,
    "expires_at": _MOMENT,
}
_CHANGED_KEY = {
    "name": "Updated Application Name",
    "permissions": ["ai:read", "ai:write", "usage:read", "webhooks:write"],
}
_CHANGED_WEBHOOK = {
    "url": "https://your-app.com/new-webhook",
    "events": ["ai.task.completed", "ai.task.failed", "quota.warning"],
    "active": True,
}
_PLAYGROUND_WEBHOOK = {**_CHANGED_WEBHOOK, "url": "https://your-app.com/webhook", "secret": "your-webhook-secret"}
AI_PLAYGROUND = [
    Row("ai_playground", "POST", "/api/auth/login", _PLAYGROUND_LOGIN, _SIGN_IN, credential="none"),
    Row(
        *("ai_playground", "POST", "/api/auth/register", _PLAYGROUND_LOGIN),
        *({"username": "johndoe", "email": "john@example.com", "password": "SecurePass123!"}, 201, "none"),
    ),
    Row(
        *("ai_playground", "GET", "/api/auth/me"),
        {
            "success": True,
            "data": {**_PLAYGROUND_USER, "quota": _QUOTA, "api_keys": [], "updated_at": "2025-11-11T22:00:00.000Z"},
        },
    ),
    Row("ai_playground", "POST", "/api/auth/logout", {"success": True, "message": "Logout successful"}),
    Row(
        *("ai_playground", "PUT", "/api/auth/profile"),
        {
            "success": True,
            "data": {**_RENAMED, "id": "507f1f77bcf86cd799439011", "tier": "free", "updated_at": _MOMENT},
            "message": "Profile updated successfully",
        },
        _RENAMED,
    ),
    Row(
        *("ai_playground", "PUT", "/api/auth/password"),
        {"success": True, "message": "Password changed successfully"},
        {"oldPassword": "{password}", "newPassword": "NewSecurePass456!"},
    ),
    Row(
        *("ai_playground", "POST", "/api/v1/api-keys"),
        {
            "success": True,
            "data": {"api_key": {**_PLAYGROUND_KEY, "key": "sk_live_abc123xyz789", "last_used": None}},
            "message": "API key created successfully",
        },
        *({"name": "My Application", "permissions": ["ai:read", "ai:write", "usage:read"], "expires_in": 30}, 201),
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/api-keys"),
        {"success": True, "data": {"api_keys": [{**_PLAYGROUND_KEY, "last_used": _MOMENT}]}},
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/api-keys/key_123"),
        {"success": True, "data": {"api_key": {**_PLAYGROUND_KEY, "last_used": _MOMENT, "usage_count": 45}}},
    ),
    Row(
        *("ai_playground", "PUT", "/api/v1/api-keys/key_123"),
        {
            "success": True,
            "data": {"api_key": {"id": "key-123456", **_CHANGED_KEY, "updated_at": _MOMENT}},
            "message": "API key updated successfully",
        },
        _CHANGED_KEY,
    ),
    Row(
        *("ai_playground", "DELETE", "/api/v1/api-keys/key_123"),
        {"success": True, "message": "API key deleted successfully"},
    ),
    Row(
        *("ai_playground", "POST", "/api/v1/webhooks"),
        {
            "success": True,
            "data": {
                "webhook": {**_PLAYGROUND_WEBHOOK, "id": "wh-123456", "created_at": _MOMENT, "last_delivery": None}
            },
        },
        *(_PLAYGROUND_WEBHOOK, 201),
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/webhooks"),
        {
            "success": True,
            "data": {
                "webhooks": [{**_CHANGED_WEBHOOK, "id": "wh-123456", "created_at": _MOMENT, "last_delivery": None}]
            },
        },
        by="the document; nothing is delivered yet",
    ),
    Row(
        *("ai_playground", "PUT", "/api/v1/webhooks/wh_123"),
        {
            "success": True,
            "data": {"webhook": {**_CHANGED_WEBHOOK, "id": "wh-123456", "updated_at": _MOMENT}},
        },
        _CHANGED_WEBHOOK,
    ),
    Row(
        *("ai_playground", "DELETE", "/api/v1/webhooks/wh_123"),
        {"success": True, "message": "Webhook deleted successfully"},
    ),
]

_TALK = [
    {"role": "user", "content": "Hello, how are you?"},
    {"role": "assistant", "content": "I'm doing well, thank you!"},
    {"role": "user", "content": "What's the weather like today?"},
]
_ASKED = {"model": "minimax", "max_tokens": 1000, "temperature": 0.7, "top_p": 0.9}
_TAKEN = {"prompt_tokens": 25, "completion_tokens": 45, "total_tokens": 70}
AI_PLAYGROUND += [
    Row(
        *("ai_playground", "POST", "/api/v1/ai/chat"),
        {
            "success": True,
            "data": {
                "id": "chat-123456",
                "model": "minimax",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "I don't"}, "finish_reason": "stop"}
                ],
                "usage": _TAKEN,
                "created": 1640000000,
            },
        },
        {"messages": _TALK, **_ASKED, "stream": False},
    ),
    Row(
        *("ai_playground", "POST", "/api/v1/ai/chat"),
        {
            "id": "chat-123456",
            "model": "minimax",
            "created": 1640000000,
            "choices": [{"index": 0, "delta": {"content": "I don't"}, "finish_reason": None}],
        },
        {"messages": _TALK, **_ASKED, "stream": True},
        by="OpenAI's chunks, with the names of this document",
        streamed=True,
    ),
    Row(
        *("ai_playground", "POST", "/api/v1/ai/generate"),
        {
            "success": True,
            "data": {
                "id": "gen-123456",
                "model": "minimax",
                "choices": [{"text": "In a world", "index": 0, "finish_reason": "stop"}],
                "usage": _TAKEN,
            },
        },
        {
            "prompt": "Write a short story about artificial intelligence",
            "model": "minimax",
            "max_tokens": 500,
            "temperature": 0.8,
            "top_p": 0.95,
            "n": 1,
            "stop": ["\n\n", "END"],
        },
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/ai/models"),
        {
            "success": True,
            "data": {
                "models": [
                    {
                        "id": "minimax",
                        "name": "Minimax AI",
                        "description": "Advanced language model for various tasks",
                        "max_tokens": 4096,
                        "supported_endpoints": ["chat", "generate"],
                        "pricing": {"per_1k_tokens": 0.002},
                    }
                ]
            },
        },
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/ai/usage?start_date=2025-11-01&end_date=2125-11-30&model=minimax"),
        {
            "success": True,
            "data": {
                "usage": {
                    "total_requests": 150,
                    "total_tokens": 45000,
                    "total_cost": 0.09,
                    "by_model": {"minimax": {"requests": 150, "tokens": 45000, "cost": 0.09}},
                    "by_date": [{"date": "2025-11-11", "requests": 25, "tokens": 7500, "cost": 0.015}],
                },
                "quota": _QUOTA,
            },
        },
    ),
    Row(
        *("ai_playground", "GET", "/api/v1/usage?page=1&limit=50&sort=desc"),
        {
            "success": True,
            "data": {
                "items": [
                    {
                        "timestamp": "2025-11-11T22:00:00.000Z",
                        "endpoint": "/api/v1/ai/chat",
                        "model": "minimax",
                        "tokens": 70,
                        "cost": 0.00014,
                        "status": "complete",
                        "duration_ms": 1500,
                    }
                ],
                "pagination": {
                    "page": 1,
                    "limit": 50,
                    "total": 200,
                    "pages": 4,
                    "has_next": True,
                    "has_prev": False,
                },
            },
        },
        by="the document, which leaves the items open",
    ),
]

_INSIGHT = [
    Row(
        *("ai_assistant", "GET", "/api/monitoring/stats"),
        {
            "total_users": 1250,
            "active_users_24h": 342,
            "total_workflows": 5600,
            "workflows_executed_24h": 12450,
            "total_ai_calls_24h": 45780,
            "credits_consumed_24h": 125000,
            "uptime_percentage": 99.98,
        },
        credential="admin",
    ),
    Row(
        *("ai_assistant", "GET", "/api/dashboard/stats"),
        {
            "projects_count": 5,
            "workflows_count": 12,
            "total_executions": 1250,
            "executions_today": 45,
            "credits_used_total": 5000,
            "credits_used_today": 120,
            "favorite_model": "gpt-4",
            "most_active_workflow": {"id": 1, "name": "Daily Report"},
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/rankings"),
        {
            "rankings": [
                {
                    "model": "gpt-4",
                    "score": 9.5,
                    "total_uses": 125000,
                    "avg_response_time_ms": 2500,
                    "user_satisfaction": 4.8,
                }
            ],
            "updated_at": "2025-11-09T10:00:00Z",
        },
        credential="cookie",
    ),
]
_PROJECT = {
    "id": 1,
    "name": "My First Project",
    "description": "Learning AI automation",
    "created_at": "2025-01-15T00:00:00Z",
}
_PROJECT_FIELDS = {
    "name": "New Project",
    "description": "Project description",
    "settings": {"default_model": "gpt-4", "budget_limit": 1000},
}
_WORKFLOW = {
    "id": 1,
    "name": "Daily Report Generator",
    "description": "Generates daily reports",
    "enabled": True,
    "trigger_type": "schedule",
    "trigger_config": {},
    "created_at": "2025-01-20T00:00:00Z",
    "last_execution": "2025-11-09T09:00:00Z",
    "execution_count": 290,
}
_PROJECT_STATS = {"total_workflows": 5, "total_executions": 1250, "credits_used": 5000}
_SHOWN_PROJECT = {**_PROJECT, "workflows": [_WORKFLOW], "integrations": None, "stats": _PROJECT_STATS}
_PROJECTS = [
    Row(
        *("ai_assistant", "GET", "/api/projects"),
        {"projects": [{**_PROJECT, "updated_at": "2025-11-09T00:00:00Z", "workflow_count": 5, "integration_count": 2}]},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/projects", {**_PROJECT, **_PROJECT_FIELDS}),
        *(_PROJECT_FIELDS, 201, "cookie"),
        by=_MADE,
    ),
    Row("ai_assistant", "GET", "/api/projects/project_id", _SHOWN_PROJECT, credential="cookie"),
    Row(
        *("ai_assistant", "PUT", "/api/projects/project_id", _SHOWN_PROJECT),
        {"name": "Updated Name", "description": "Updated description"},
        credential="cookie",
        by=_ITS_GET,
    ),
    Row(
        *("ai_assistant", "DELETE", "/api/projects/project_id"),
        {"message": "Project deleted successfully", "id": 1},
        credential="cookie",
    ),
]
_CHAT_OF_THE_ASSISTANT = [
    Row(
        *("ai_assistant", "POST", "/api/ai/chat"),
        {
            "response": "Quantum computing is...",
            "model": "gpt-4",
            "tokens_used": 245,
            "credits_consumed": 10,
            "conversation_id": "conv_123",
        },
        {
            "message": "Explain quantum computing in simple terms",
            "model": "gpt-4",
            "conversation_id": "{conv_123}",
            "temperature": 0.7,
            "max_tokens": 500,
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/models"),
        {
            "models": [
                {
                    "id": "gpt-4",
                    "name": "GPT-4",
                    "provider": "openai",
                    "cost_per_1k_tokens": 0.03,
                    "max_tokens": 8192,
                    "capabilities": ["chat", "code", "analysis"],
                }
            ]
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/history?limit=50&offset=0"),
        {
            "conversations": [
                {
                    "id": "conv_123",
                    "created_at": "2025-11-09T10:00:00Z",
                    "model": "gpt-4",
                    "message_count": 12,
                    "last_message": "Thank you for the explanation!",
                }
            ],
            "total": 100,
            "limit": 50,
            "offset": 0,
        },
        credential="cookie",
    ),
]
_ANALYZED = {
    "id": "analysis_123",
    "status": "completed",
    "created_at": "2025-11-09T10:00:00Z",
    "completed_at": "2025-11-09T10:00:25Z",
    "results": {
        "endpoints": [{"path": "/users", "method": "GET", "summary": "List users", "parameters": [], "responses": {}}],
        "authentication": ["bearer", "api_key"],
        "security_issues": [],
        "statistics": {"total_endpoints": 45, "total_schemas": 23},
    },
}
SUMMARIZER = {
    "name": "Email Summarizer",
    "description": "Summarizes incoming emails",
    "enabled": True,
    "definition": {
        "trigger": {"type": "webhook", "config": {"path": "/webhooks/email"}},
        "nodes": [
            {"id": "node_1", "type": "ai_call", "config": {"model": "gpt-4", "prompt": "Summarize: {{email.body}}"}},
            {"id": "node_2", "type": "send_email", "config": {"to": "{{email.from}}", "subject": "Summary"}},
        ],
        "edges": [{"from": "trigger", "to": "node_1"}, {"from": "node_1", "to": "node_2"}],
    },
}
_BEGUN = {"execution_id": "exec_123", "status": "running", "started_at": "2025-11-09T10:30:00Z"}
_EXECUTED = {
    "id": "exec_123",
    "workflow_id": 1,
    "status": "completed",
    "started_at": "2025-11-09T10:30:00Z",
    "completed_at": "2025-11-09T10:30:15Z",
    "duration_ms": 15000,
    "result": {"output": "Summary generated successfully", "credits_used": 5},
    "logs": [{"timestamp": "2025-11-09T10:30:01Z", "level": "info", "message": "Starting node_1"}],
}
_WORKFLOWS = [
    Row("ai_assistant", "GET", "/api/workflows?project_id=1", {"workflows": [_WORKFLOW]}, credential="cookie"),
    Row(
        *("ai_assistant", "POST", "/api/workflows"),
        {
            "id": 2,
            "name": "Email Summarizer",
            "webhook_url": "https://your-domain.com/webhooks/wf_abc123",
            "created_at": "2025-11-09T10:30:00Z",
        },
        SUMMARIZER,
        *(201, "cookie"),
        by=_MADE,
    ),
    Row(
        *("ai_assistant", "POST", "/api/workflows/workflow_id/execute", _BEGUN),
        {"input": {"test_mode": True, "data": {"custom": "input"}}},
        credential="cookie",
    ),
    Row("ai_assistant", "GET", "/api/workflows/workflow_id/executions/exec_123", _EXECUTED, credential="cookie"),
    Row(
        *("ai_assistant", "POST", "/webhooks/1/wf_secret_of_the_workflow", _BEGUN),
        {"email": {"from": "ada@example.com", "body": "We meet on Monday."}},
        credential="none",
        by="the document; the secret in the address suffices",
    ),
]
_DOCUMENTS = [
    Row(
        *("ai_assistant", "POST", "/api/doc-analyzer/analyze"),
        {"analysis_id": "analysis_123", "status": "processing", "estimated_time_seconds": 30},
        {"source_type": "url", "source_url": "https://api.example.com/openapi.json", "format": "openapi3"},
        credential="cookie",
    ),
    Row("ai_assistant", "GET", "/api/doc-analyzer/analyses/analysis_123", _ANALYZED, credential="cookie"),
]
# Those that need an account at Google, which the default configuration has not.
AT_GOOGLE = [
    Row(
        *("ai_assistant", "GET", "/api/integrations"),
        {
            "integrations": [
                {"id": 1, "type": "google", "name": "ada", "status": "connected", "connected_at": "", "last_used": None}
            ]
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/integrations/connect"),
        {"id": 2, "type": "google", "status": "connected", "webhook_url": None},  # Google sends nothing
        {"integration_type": "google", "oauth_code": "{code}"},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/integrations/test?integration_type=google"),
        {"status": "success", "message": "Connection test successful", "details": {}},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/doc-analyzer/export/sheets"),
        {
            "spreadsheet_id": "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms",
            "spreadsheet_url": "https://docs.google.com/spreadsheets/d/...",
            "sheets_created": ["Endpoints", "Schemas", "Security"],
        },
        {
            "analysis_id": "{analysis_123}",
            "spreadsheet_name": "API Documentation Analysis",
            "include_examples": True,
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/integrations/disconnect?integration_type=google"),
        {"message": "Integration disconnected successfully"},
        credential="cookie",
    ),
]

# Those that need a bot at Telegram.
AT_TELEGRAM = [
    Row(
        *("ai_assistant", "POST", "/api/integrations/connect"),
        {
            "id": 2,
            "type": "telegram",
            "status": "connected",
            "webhook_url": "https://your-domain.com/webhooks/telegram/abc123",
        },
        {"integration_type": "telegram", "bot_token": "{bot_token}", "chat_id": "123456789"},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/integrations/test?integration_type=telegram"),
        {
            "status": "success",
            "message": "Connection test successful",
            "details": {"bot_username": "@my_bot", "can_send_messages": True},
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/integrations"),
        {
            "integrations": [
                {
                    "id": 1,
                    "type": "telegram",
                    "name": "My Bot",
                    "status": "connected",
                    "connected_at": "2025-01-10T00:00:00Z",
                    "last_used": "2025-11-09T09:00:00Z",
                }
            ]
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/integrations/disconnect?integration_type=telegram"),
        {"message": "Integration disconnected successfully"},
        credential="cookie",
    ),
]

AI_ASSISTANT = [
    *_DOCUMENTS,
    *_WORKFLOWS,
    *_CHAT_OF_THE_ASSISTANT,
    *_INSIGHT,
    *_PROJECTS,
    Row("ai_assistant", "POST", "/api/auth/login", _ASSISTANT_LOGIN, _SIGN_IN, credential="none"),
    Row(
        *("ai_assistant", "GET", "/api/health", {"status": "healthy", "version": "2.0.0", "timestamp": ""}),
        credential="none",
    ),
    Row(
        *("ai_assistant", "GET", "/api/auth/me"),
        {"id": 1, "email": "user@example.com", "created_at": "", "is_active": True, "has_2fa": False},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/credits/balance"),
        {
            "balance": 1250,
            "currency": "USD",
            "last_purchase": None,
            "auto_recharge_enabled": True,
            "auto_recharge_threshold": 100,
        },
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/credits/purchase"),
        {"checkout_url": "https://checkout.stripe.com/...", "session_id": "cs_test_123"},
        {"package": "pro", "payment_method": "stripe", "return_url": "https://your-app.com/credits/success"},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "POST", "/api/credits/gift"),
        {"gift_id": "gift_123", "status": "sent", "recipient": "friend@example.com", "amount": 100},
        {"recipient_email": "{friend}", "amount": 100, "message": "Happy birthday!"},
        credential="cookie",
    ),
    Row(
        *("ai_assistant", "GET", "/api/credits/history?limit=50&offset=0"),
        {
            "transactions": [{"id": 1, "type": "purchase", "amount": 1000, "timestamp": "", "description": ""}],
            "total": 150,
            "limit": 50,
            "offset": 0,
        },
        credential="cookie",
    ),
]

_ADMIN_USER = {**_HUB_USER, "status": "active", "credits": 1000, "lastActiveAt": "2023-10-15T10:30:00Z"}
_ADMIN: dict[str, Any] = {"credential": "admin"}
_RATE = {"fromType": "credits", "toType": "points", "rate": 1000, "isActive": True}
_SHOWN_RATE = {"id": "rate_123", **_RATE, "createdAt": "2023-10-15T10:30:00Z", "updatedAt": "2023-10-15T10:30:00Z"}
_WEBHOOK = {
    "url": "https://smartaihub.com/webhooks/smartaihub",
    "events": ["user.created", "credit.purchased", "payment.completed"],
    "secret": "your-webhook-secret",
    "active": True,
}
ADMINISTRATION = [
    Row(
        *("smart_ai_hub", "GET", "/api/admin/exchange-rates"),
        {"success": True, "data": [_SHOWN_RATE], "meta": _META},
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/admin/exchange-rates"),
        *({"success": True, "data": _SHOWN_RATE, "meta": _META}, _RATE, 201),
        **_ADMIN,
        by=_MADE,
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/admin/exchange-rates/rate_123"),
        {"success": True, "data": {**_SHOWN_RATE, "rate": 1200}, "meta": _META},
        {"rate": 1200, "isActive": True},
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "DELETE", "/api/admin/exchange-rates/rate_123"),
        {"success": True, "message": "Exchange rate deleted successfully", "meta": _META},
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/admin/users?page=1&limit=20&role=user&status=active"),
        {"success": True, "data": [_ADMIN_USER], "pagination": _PAGINATION},
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/admin/users/user_123", {"success": True, "data": _ADMIN_USER, "meta": _META}),
        **_ADMIN,
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/admin/users/user_123", {"success": True, "data": _ADMIN_USER, "meta": _META}),
        {"role": "admin", "status": "active", "credits": 1500},
        **_ADMIN,
        by="the user as its GET shows it; `credits` sets the balance",
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/admin/users/user_123/credits/adjust"),
        {"success": True, "data": {"transactionId": "txn_123", "userId": "user_123", "credits": 1500}, "meta": _META},
        {"amount": 500, "reason": "Promotional credit", "type": "bonus"},
        **_ADMIN,
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/admin/metrics"),
        {
            "success": True,
            "data": {
                "users": {"total": 1000, "active": 850, "newThisMonth": 120},
                "credits": {"totalPurchased": 50000, "totalUsed": 35000, "revenue": 5000},
                "api": {"requestsToday": 5000, "averageResponseTime": 150, "errorRate": 0.02},
            },
        },
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/admin/stats/points"),
        {
            "success": True,
            "data": {
                "totalPointsIssued": 5000000,
                "totalPointsUsed": 3500000,
                "totalPointsPurchased": 2000000,
                "totalPointsFromCredits": 1500000,
                "totalPointsFromDailyRewards": 500000,
                "activeUsersWithPoints": 850,
                "averagePointsPerUser": 5882,
                "topUpTriggeredCount": 120,
                "exchangeRateCreditsToPoints": 1000,
            },
            "meta": _META,
        },
        **_ADMIN,
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/admin/webhooks"),
        {"success": True, "data": {**_WEBHOOK, "id": "wh_123", "signing_secret": "whsec_"}, "meta": _META},
        _WEBHOOK,
        201,
        **_ADMIN,
        by=_PLAIN_SECRET,
    ),
]

_NOTIFICATION = {
    "id": "notif_123",
    "type": "info",
    "title": "Welcome to Smart AI Hub",
    "message": "Your account has been created successfully.",
    "read": False,
    "createdAt": "2023-10-15T10:30:00Z",
}
_NOTIFICATION_SETTINGS = {
    "emailNotifications": True,
    "pushNotifications": True,
    "inAppNotifications": True,
    "categories": {
        "account": {"email": True, "push": True, "inApp": True},
        "billing": {"email": True, "push": False, "inApp": True},
    },
}
NOTIFICATIONS = [
    Row(
        *("smart_ai_hub", "GET", "/api/notifications?page=1&limit=20&unread=false"),
        {"success": True, "data": [_NOTIFICATION], "pagination": {**_PAGINATION, "total": 10}},
        by="the document; `unread=false` leaves nothing out",
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/notifications/notif_123/read"),
        {"success": True, "data": _NOTIFICATION, "meta": _META},
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/notifications/read-all"),
        {"success": True, "message": "", "meta": _META},
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "PUT", "/api/notifications/settings"),
        {"success": True, "data": _NOTIFICATION_SETTINGS, "meta": _META},
        _NOTIFICATION_SETTINGS,
        by=_ITS_GET,
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/notifications/settings"),
        {"success": True, "data": _NOTIFICATION_SETTINGS, "meta": _META},
        by="what the PUT of the document changes",
    ),
]

MONEY = [
    Row(
        *("smart_ai_hub", "POST", "/api/credits/purchase"),
        {
            "success": True,
            "data": {
                "paymentId": "pay_123",
                "status": "succeeded",
                "packageId": "pkg_starter",
                "amount": 1000,
                "price": 55.0,
                "currency": "USD",
                "transactionId": "txn_123",
                "newBalance": 1010,
                "message": "",
            },
            "meta": _META,
        },
        {"packageId": "pkg_starter", "paymentMethodId": "pm_123", "amount": 1000},
        by=_ITS_GET,
    ),
    Row("smart_ai_hub", "GET", "/api/v1/points/balance", {"success": True, "data": {"balance": 5000}, "meta": _META}),
    Row(
        *("smart_ai_hub", "GET", "/api/v1/points/history?page=1&limit=20"),
        {
            "success": True,
            "data": [
                {
                    "id": "txn_123",
                    "userId": "user_123",
                    "amount": 1000,
                    "type": "purchase",
                    "balanceAfter": 5000,
                    "description": "Purchased points",
                    "metadata": {},
                    "createdAt": "2023-10-15T10:30:00Z",
                }
            ],
            "pagination": {"page": 1, "per_page": 20, "total": 50, "total_pages": 3},
            "meta": _META,
        },
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/v1/points/exchange-from-credits"),
        {
            "success": True,
            "data": {"newCreditBalance": 5, "newPointBalance": 6000, "pointsReceived": 5000, "message": ""},
            "meta": _META,
        },
        {"creditAmount": 5},
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/v1/points/purchase"),
        {
            "success": True,
            "data": {"newBalance": 15000, "transactionId": "txn_456", "message": ""},
            "meta": _META,
        },
        {
            "pointsAmount": 10000,
            "paymentDetails": {"stripeSessionId": "sess_123", "stripePaymentIntentId": "pi_123", "amount": 10},
        },
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/v1/points/claim-daily-reward"),
        {"success": True, "data": {"points": 100, "message": ""}, "meta": _META},
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/v1/points/daily-reward-status"),
        {"success": True, "data": {"canClaim": True, "rewardAmount": 100}, "meta": _META},
    ),
    Row(
        *("smart_ai_hub", "GET", "/api/v1/wallet/balance"),
        {"success": True, "data": {"credits": 10, "points": 5000}, "meta": _META},
    ),
    Row(
        *("smart_ai_hub", "POST", "/api/v1/mcp/points/deduct"),
        {
            "success": True,
            "status": "ok",
            "new_balance": 4900,
            "transaction_id": "txn_789",
            "autoTopupTriggered": False,
            "meta": _META,
        },
        {"amount": 100, "description": "Used for AI service", "metadata": {"service": "gpt-4", "model": "gpt-4"}},
        credential="service",
    ),
]

ROWS = [*SMART_AI_HUB, *MONEY, *NOTIFICATIONS, *ADMINISTRATION, *AI_AGGREGATOR, *AI_PLAYGROUND, *AI_ASSISTANT]

_ID = "([A-Za-z0-9_]{1,64})"
_NODE = "([A-Za-z0-9_-]{1,64})"
_SECRET = "(wf_[A-Za-z0-9_-]{16,64})"


def _of_webhook(api: str, path: str) -> dict[tuple[str, str], str]:
    """What no document has of a webhook."""
    one = f"{path}/{_ID}"
    return {
        (api, f"{one}/rotate-secret"): "a new secret beside the old one",
        (api, f"{one}/test"): "a sample of an event, sent at once",
        (api, f"{one}/replay"): "what happened in a span of time, once more",
        (api, f"{one}/deliveries"): "the log of what was sent",
        (api, f"{one}/deliveries/{_ID}"): "one delivery with its payload",
        (api, f"{one}/deliveries/{_ID}/resend"): "the same sent again",
    }


# What the hub has beside the documents, all of a path or one method of it: no row, and a reason.
BESIDE_THE_DOCUMENTS = {
    ("smart_ai_hub", "/readyz"): "for load balancers",
    ("smart_ai_hub", "/api/auth/methods"): "how one may sign in, for the page",
    ("smart_ai_hub", "/api/auth/google/callback"): "where Google sends the browser back to",
    ("smart_ai_hub", "/api/auth/google/exchange"): "a login for the code that a sign-in by Google ends with",
    ("smart_ai_hub", "/api/admin/users/([A-Za-z0-9_]{1,64})/2fa"): "its end for a user who has lost it",
    ("smart_ai_hub", "/api/auth/2fa"): "whether two-factor sign-in is on, which the AI Assistant's `has_2fa` says",
    ("smart_ai_hub", "/api/auth/2fa/setup"): "its beginning: the secret for an authenticator",
    ("smart_ai_hub", "/api/auth/2fa/verify"): "its switching on",
    ("smart_ai_hub", "/api/auth/2fa/disable"): "its switching off",
    ("smart_ai_hub", "/api/auth/2fa/recovery-codes"): "a new set of recovery codes",
    ("ai_assistant", "/api/history/([A-Za-z0-9_]{1,64})"): "one conversation, to be renamed or deleted",
    ("ai_assistant", "/api/history/([A-Za-z0-9_]{1,64})/export"): "one conversation as a file",
    ("smart_ai_hub", "/api/auth/verify-email"): "the link of a verification mail",
    ("smart_ai_hub", "/api/auth/resend-verification"): "a further verification mail",
    ("smart_ai_hub", "/metrics"): "for Prometheus",
    ("smart_ai_hub", "/api/webhooks/stripe"): "Stripe tells what became of a payment",
    ("smart_ai_hub", "/api/auth/me"): "the union on an address that names no API",
    ("smart_ai_hub", "/api/streams/([A-Za-z0-9_]{1,64})"): "a stream by REST, and its stop",
    ("smart_ai_hub", "/api/streams/([A-Za-z0-9_]{1,64})/events"): "a stream by server-sent events",
    ("smart_ai_hub", "/api/admin/audit-log"): "who changed what",
    ("smart_ai_hub", "GET /api/admin/webhooks"): "the list of what was configured",
    ("smart_ai_hub", "/api/admin/webhooks/([A-Za-z0-9_]{1,64})"): "one of them, to be changed or removed",
    **_of_webhook("smart_ai_hub", "/api/admin/webhooks"),
    ("smart_ai_hub", "/webhooks/smartaihub"): "what the documents' example of an address leads to",
    ("smart_ai_hub", "/api/notifications/push"): "the key and the list of browser push, for the page",
    ("smart_ai_hub", "/api/notifications/push/subscriptions"): "a browser that is to be told",
    ("smart_ai_hub", "/api/notifications/push/subscriptions/([A-Za-z0-9_]{1,64})"): "one of them, to be removed",
    ("smart_ai_hub", "/api/announcements"): "what is announced, for a page that is opened later",
    ("smart_ai_hub", "/api/admin/announcements"): "what was announced, for administrators",
    ("smart_ai_hub", "/api/admin/announcements/([A-Za-z0-9_]{1,64})"): "the end of an announcement",
    ("smart_ai_hub", "/ws"): "the WebSocket protocol, described in docs/asyncapi.yaml",
    ("smart_ai_hub", "/ws/admin"): "the same with the administrator's channels",
    ("ai_playground", "GET /api/v1/webhooks/([A-Za-z0-9_]{1,64})"): "one of them, to be seen",
    **_of_webhook("ai_playground", "/api/v1/webhooks"),
    ("ai_playground", "/v1/ai/stream"): "the same at the address that the document announces",
    ("ai_aggregator", "GET /v1/auth/api-keys"): "the keys that were made, without their secrets",
    ("ai_aggregator", "/v1/auth/api-keys/([A-Za-z0-9_]{1,64})"): "one of them, to be changed or revoked",
    ("ai_aggregator", "/v1/models/(.+)"): "one model, as OpenAI's clients ask for it",
    ("ai_aggregator", "/v1/messages"): "Anthropic's form, for Anthropic's clients",
    ("ai_aggregator", "/v1/messages/count_tokens"): "a count of Anthropic's form",
    ("ai_aggregator", "/v1/embeddings"): "OpenAI's form of embeddings",
    ("ai_aggregator", "GET /v1/analytics/events"): "the events that were sent, to be looked up",
    ("ai_aggregator", "GET /v1/webhooks"): "the list of what was configured",
    ("ai_aggregator", "/v1/webhooks/([A-Za-z0-9_]{1,64})"): "one of them, to be changed or removed",
    **_of_webhook("ai_aggregator", "/v1/webhooks"),
    ("ai_assistant", "/api/history/messages/([A-Za-z0-9_]{1,64})/rating"): "what a user thinks of an answer",
    ("ai_assistant", "/api/doc-analyzer/analyses"): "the analyses of a user",
    ("ai_assistant", f"DELETE /api/doc-analyzer/analyses/{_ID}"): "the end of one before its month is over",
    ("ai_assistant", "/api/doc-analyzer/export/xlsx"): "the export for who has no Google account",
    ("ai_assistant", "/api/integrations/google/authorize"): "the address of Google's consent page",
    ("ai_assistant", "/api/integrations/google/callback"): "where Google sends the browser back to",
    ("ai_assistant", f"/api/workflows/{_ID}"): "a workflow seen, changed, switched off and deleted",
    ("ai_assistant", f"/api/workflows/{_ID}/rotate-secret"): "another address in the place of one that is known",
    ("ai_assistant", f"/api/workflows/{_ID}/notify/test"): "a sample of what its `notify_url` is told",
    ("ai_assistant", f"/api/workflows/{_ID}/notify/replay"): "what happened in a span of time, once more",
    ("ai_assistant", f"/api/workflows/{_ID}/notify/deliveries"): "the log of what was sent there",
    ("ai_assistant", f"/api/workflows/{_ID}/notify/deliveries/{_ID}"): "one delivery with its payload",
    ("ai_assistant", f"/api/workflows/{_ID}/notify/deliveries/{_ID}/resend"): "the same sent again",
    ("ai_assistant", f"/api/workflows/{_ID}/executions"): "what became of a workflow's executions",
    ("ai_assistant", f"/api/workflows/{_ID}/executions/{_ID}/cancel"): "the end of one before it is done",
    ("ai_assistant", f"/api/workflows/{_ID}/executions/{_ID}/approvals/{_NODE}"): "an answer that one waits for",
    ("ai_assistant", f"/webhooks/{_SECRET}"): "the address that the document's answer has",
    ("ai_assistant", "/webhooks/telegram/([A-Za-z0-9_-]{1,64})"): "where Telegram sends a bot's updates",
    ("ai_assistant", "/api/credits/packages"): "what the purchase of the document may name",
    ("ai_assistant", "/api/credits/auto-recharge"): "how the rule is set that the balance of the document shows",
    ("ai_assistant", f"/api/projects/{_ID}/restore"): "what a soft deletion is for",
}
