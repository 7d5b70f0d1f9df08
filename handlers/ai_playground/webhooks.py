"""`/api/v1/webhooks`: webhooks of one user whose deliveries have the AI Playground's form."""

from handlers.user_webhooks import EndpointForm, routes
from handlers.webhook_endpoints import endpoint_facts

ROUTES = routes("/api/v1/webhooks", "ai_playground", "webhooks", form=EndpointForm("webhook", endpoint_facts))
