"""Webhooks of one user: `/v1/webhooks`."""

from handlers.user_webhooks import routes

ROUTES = routes("/v1/webhooks", "ai_aggregator")
