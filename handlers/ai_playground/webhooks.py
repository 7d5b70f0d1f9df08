"""`/api/v1/webhooks`: webhooks of one user whose deliveries have the AI Playground's form."""

from typing import Any, Final

from handlers.routing import Route
from handlers.user_webhooks import ONE, EndpointForm, Webhook, Webhooks
from models.clock import timestamp
from models.database import Document

_API: Final = "ai_playground"


def _view(endpoint: Document) -> dict[str, Any]:
    return {
        "id": endpoint["_id"],
        "url": endpoint["url"],
        "events": endpoint["events"],
        "active": endpoint["active"],
        "created_at": timestamp(endpoint["created_at"]),
        "updated_at": timestamp(endpoint["updated_at"]),
        "last_delivery": None,  # the hub delivers nothing yet
    }


_FORM: Final = {"form": EndpointForm("webhook", _view)}

ROUTES = [
    Route("/api/v1/webhooks", Webhooks, (_API,), "webhooks", extra=_FORM),
    Route(f"/api/v1/webhooks/{ONE}", Webhook, (_API,), "webhooks", extra=_FORM),
]
