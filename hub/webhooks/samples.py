"""Events as they might be, for tests of an endpoint: each type once, with nobody's data. They say that they are
tests.
"""

from typing import Any, Final

from hub.webhooks import payloads
from models.clock import now, timestamp
from models.database import Document
from models.ids import new_id

_RECEIPT: Final = {"hold": 0.05, "charged": 0.05, "released": 0, "balance_after": 99.95, "seq": 12}
_USAGE: Final = {"prompt_tokens": 10, "completion_tokens": 20}
_ANSWER: Final = {"stream_id": "str_test", "conversation_id": None, "message_id": "msg_test", "model": "gpt-4"}
_CHAT: Final = {**_ANSWER, "usage": _USAGE, "receipt": {**_RECEIPT, "usage_source": "provider"}}
_PAYMENT: Final = {"payment_id": "pay_test", "amount": 10.0, "currency": "USD"}
_GIFT: Final = {"gift_id": "gift_test", "amount": 100, "message": "This is a test."}
_NOTE: Final = {"id": "notif_test", "type": "info", "category": "system", "title": "A test", "message": "A test event."}
# By the type of the event's row.
_DATA: Final[dict[str, dict[str, Any]]] = {
    "user.created": {"tier": "free"},
    "user.updated": {"changed": ["first_name"]},
    "credit.purchased": {"credits": 1_000, "package_id": "starter", "payment_id": "pay_test"},
    "credit.adjusted": {"amount": 5},
    "gift.sent": {**_GIFT, "recipient": "friend@example.com"},
    "gift.received": {**_GIFT, "sender": "friend@example.com"},
    "payment.completed": {**_PAYMENT, "status": "completed"},
    "payment.failed": {**_PAYMENT, "status": "failed", "reason": "the card was declined"},
    "chat.completed": {**_CHAT, "api": "ai_aggregator", "finish_reason": "stop"},
    "chat.failed": {
        **_CHAT,
        "api": "ai_playground",
        "finish_reason": None,
        "error": {"code": "provider_failed", "message": "The provider failed"},
    },
    "chat.rated": {
        "message_id": "msg_test",
        "stream_id": "chat_test",
        "conversation_id": "conv_test",
        "rating": "up",
    },
    "embedding.completed": {
        "request_id": "emb_test",
        "model": "text-embedding-3-small",
        "api": "ai_aggregator",
        "usage": {"prompt_tokens": 10, "completion_tokens": 0},
        "receipt": {**_RECEIPT, "usage_source": "provider"},
    },
    "quota.warning": {"quota_type": "daily", "used": 45, "limit": 50, "percentage": 90},
    "conversation.created": {"conversation_id": "conv_test", "title": "A test"},
    "notification.created": {**_NOTE, "read": False},
    "notification.read": {"ids": ["notif_test"]},
    "analysis.completed": {"analysis_id": "analysis_test", "status": "completed"},
    "analysis.failed": {
        "analysis_id": "analysis_test",
        "status": "failed",
        "error": {"message": "The document is larger than 5 MiB"},
    },
    "workflow.executed": {
        "workflow_id": 1,
        "execution_id": "exec_test",
        "status": "completed",
        "result": {"output": "This is a test.", "value": "This is a test.", "credits_used": 0.05},
    },
}
# Where an event's data says when it happened.
_DATED: Final = {
    "user.created": "created_at",
    "user.updated": "updated_at",
    "notification.created": "created_at",
    "analysis.completed": "completed_at",
    "analysis.failed": "completed_at",
}
_USER: Final = {"email": "user@example.com", "first_name": "John", "last_name": "Doe"}
_TEXT: Final = "This is a test."


def event_of(name: str, user: str) -> Document:
    """An event's row of which this is a public name, as if it had just happened to `user`."""
    kind = next(kind for kind, data in _DATA.items() if name in payloads.names_of({"type": kind, "data": data}))
    moment = now()
    at = _DATED.get(kind)
    dated = {} if at is None else {at: timestamp(moment)}
    return {
        "channel": f"user:{user}",
        "epoch": new_id("test"),  # so that each test has an id of its own
        "offset": 0,
        "type": kind,
        "data": {**_DATA[kind], **dated, "test": True},
        "created_at": moment,
    }


def facts(credit_rate: int, user: str) -> payloads.Facts:
    """What goes with such an event."""
    answer = {"content": _TEXT, "lengths": [len(_TEXT)]}
    return payloads.Facts(credit_rate, users={user: _USER}, messages={"msg_test": answer})
