"""The application: every route of every API, checked at start-up, and the server with its bounds.

connection -> HubApplication -> literal paths | patterns | NotFound
                    +-- a body that is not to be read -> BodyRefused
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from tornado import httputil
from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler

from config import limits
from handlers import (
    api_docs,
    checkout,
    connected,
    health,
    logs,
    pages,
    stream_events,
    streams,
    unsubscribe,
    websocket,
    workflow_webhooks,
)
from handlers.access import unmarked
from handlers.ai_aggregator import analytics as aggregator_analytics
from handlers.ai_aggregator import api_keys as aggregator_api_keys
from handlers.ai_aggregator import auth as aggregator_auth
from handlers.ai_aggregator import billing as aggregator_billing
from handlers.ai_aggregator import chat as aggregator_chat
from handlers.ai_aggregator import embeddings as aggregator_embeddings
from handlers.ai_aggregator import messages as aggregator_messages
from handlers.ai_aggregator import models as aggregator_models
from handlers.ai_aggregator import webhooks as aggregator_webhooks
from handlers.ai_assistant import chat as assistant_chat
from handlers.ai_assistant import credits as assistant_credits
from handlers.ai_assistant import dashboard as assistant_dashboard
from handlers.ai_assistant import doc_analyzer as assistant_doc_analyzer
from handlers.ai_assistant import executions as assistant_executions
from handlers.ai_assistant import history as assistant_history
from handlers.ai_assistant import integrations as assistant_integrations
from handlers.ai_assistant import models as assistant_models
from handlers.ai_assistant import monitoring as assistant_monitoring
from handlers.ai_assistant import projects as assistant_projects
from handlers.ai_assistant import rankings as assistant_rankings
from handlers.ai_assistant import ratings as assistant_ratings
from handlers.ai_assistant import workflow_notify as assistant_workflow_notify
from handlers.ai_assistant import workflows as assistant_workflows
from handlers.ai_playground import api_keys as playground_api_keys
from handlers.ai_playground import auth as playground_auth
from handlers.ai_playground import chat as playground_chat
from handlers.ai_playground import generate as playground_generate
from handlers.ai_playground import models as playground_models
from handlers.ai_playground import usage as playground_usage
from handlers.ai_playground import webhooks as playground_webhooks
from handlers.bodies import Arriving, Bodies, announced_bytes, is_large
from handlers.fallbacks import BodyRefused, NotFound
from handlers.routing import Route, RoutesError, check_overlaps, literal
from handlers.shared import auth as shared_auth
from handlers.shared import credits as shared_credits
from handlers.shared import purchases as shared_purchases
from handlers.smart_ai_hub import (
    admin_audit_log,
    admin_exchange_rates,
    admin_metrics,
    admin_users,
    admin_webhooks,
    announcements,
    auth,
    google,
    mcp_chat,
    mcp_models,
    mcp_points,
    notifications,
    passwords,
    points,
    push_subscriptions,
    stripe_webhook,
    two_factor,
    users,
    webhook_receiver,
)
from hub.processes.expositions import Expositions
from hub.services import Services

_OF_EVERY_API_HANDLER: Final = ("apis", "limit_class", "counted")
STATIC_FOLDER: Final = Path(__file__).parent.parent / "static"

ROUTES: Final[Sequence[Route]] = (
    *shared_auth.ROUTES,
    *shared_credits.ROUTES,
    *shared_purchases.ROUTES,
    *auth.ROUTES,
    *google.ROUTES,
    *passwords.ROUTES,
    *two_factor.ROUTES,
    *users.ROUTES,
    *notifications.ROUTES,
    *push_subscriptions.ROUTES,
    *points.ROUTES,
    *mcp_points.ROUTES,
    *stripe_webhook.ROUTES,
    *admin_users.ROUTES,
    *admin_audit_log.ROUTES,
    *admin_metrics.ROUTES,
    *announcements.ROUTES,
    *admin_exchange_rates.ROUTES,
    *admin_webhooks.ROUTES,
    *webhook_receiver.ROUTES,
    *mcp_models.ROUTES,
    *mcp_chat.ROUTES,
    *aggregator_auth.ROUTES,
    *aggregator_api_keys.ROUTES,
    *aggregator_models.ROUTES,
    *aggregator_chat.ROUTES,
    *aggregator_messages.ROUTES,
    *aggregator_embeddings.ROUTES,
    *aggregator_billing.ROUTES,
    *aggregator_analytics.ROUTES,
    *aggregator_webhooks.ROUTES,
    *playground_auth.ROUTES,
    *playground_api_keys.ROUTES,
    *playground_webhooks.ROUTES,
    *playground_chat.ROUTES,
    *playground_generate.ROUTES,
    *playground_models.ROUTES,
    *playground_usage.ROUTES,
    *assistant_chat.ROUTES,
    *assistant_models.ROUTES,
    *assistant_history.ROUTES,
    *assistant_projects.ROUTES,
    *assistant_monitoring.ROUTES,
    *assistant_dashboard.ROUTES,
    *assistant_rankings.ROUTES,
    *assistant_ratings.ROUTES,
    *assistant_credits.ROUTES,
    *assistant_doc_analyzer.ROUTES,
    *assistant_integrations.ROUTES,
    *assistant_workflows.ROUTES,
    *assistant_workflow_notify.ROUTES,
    *assistant_executions.ROUTES,
    *workflow_webhooks.ROUTES,
    *streams.ROUTES,
    *stream_events.ROUTES,
    *health.ROUTES,
    *websocket.ROUTES,
)


class HubApplication(Application):
    """Tornado's application with the services, a faster way to literal paths, and a bound on each handler's body."""

    def __init__(self, services: Services, routes: Sequence[Route]) -> None:
        self.services = services
        self.bodies = Bodies()
        self.draining = False  # from SIGTERM on: /readyz then sends new work elsewhere
        self.expositions: Expositions | None = None  # of one among several workers
        self._literal = literal(routes)
        patterns: list[Any] = [route.rule() for route in routes if not route.is_literal]
        super().__init__(
            patterns,
            default_handler_class=NotFound,
            public_url=services.settings.public_url,
            trusted_proxies=services.settings.trusted_proxies,
            log_function=logs.AccessLog(services.settings.production, services.metrics, services.request_stats),
            static_hash_cache=services.settings.production,
        )

    def find_handler(self, request: httputil.HTTPServerRequest, **kwargs: Any) -> Any:
        route = self._literal.get(request.path)
        if route is None:
            return super().find_handler(request, **kwargs)
        return self.get_handler_delegate(request, route.handler, route.kwargs)

    def get_handler_delegate(
        self,
        request: httputil.HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes] | None = None,
        path_kwargs: dict[str, bytes] | None = None,
    ) -> Any:
        """Look at the body before it is read: what is not to be is refused in the dialect, a chunked one is cut off."""
        most = getattr(target_class, "body_bytes_max", limits.BODY_BYTES_MAX)
        announced = announced_bytes(request, most)
        refusal = self.bodies.refusal(request, announced, most)
        if refusal is not None:
            told = {name: value for name, value in (target_kwargs or {}).items() if name in _OF_EVERY_API_HANDLER}
            told["refusal"] = refusal
            return super().get_handler_delegate(request, BodyRefused, told, path_args, path_kwargs)
        request.connection.set_max_body_size(most)  # type: ignore[union-attr] # HTTP/1 is all there is
        delegate = super().get_handler_delegate(request, target_class, target_kwargs, path_args, path_kwargs)
        return Arriving(self.bodies, announced, delegate) if is_large(announced) else delegate


def every_route(static_folder: Path = STATIC_FOLDER) -> Sequence[Route]:
    """Those of the APIs and sockets, the pages, and what is said of the APIs."""
    alone = (*unsubscribe.ROUTES, *checkout.ROUTES, *connected.ROUTES)
    return (*ROUTES, *pages.routes(static_folder), *alone, *api_docs.routes(static_folder, ROUTES))


def make_application(services: Services, static_folder: Path = STATIC_FOLDER) -> HubApplication:
    """Join the routes. Raises `RoutesError` for an overlap, a method without an access mark, or an unknown limit class."""
    routes = every_route(static_folder)
    check_overlaps(routes)
    _check_marks(route.handler for route in routes)
    _check_limit_classes(services, routes)
    return HubApplication(services, routes)


def _check_marks(handlers: Iterable[type[RequestHandler]]) -> None:
    for handler in handlers:
        if methods := unmarked(handler):
            raise RoutesError(f"{handler.__module__}.{handler.__name__}: {', '.join(methods)} without an access mark")


def _check_limit_classes(services: Services, routes: Sequence[Route]) -> None:
    for route in routes:
        for api in route.apis:
            try:
                services.plans.limits_for(api, route.limit_class, services.plans.tiers[0], False)
            except KeyError:
                raise RoutesError(f"{route.pattern}: {api} has no limits of the class {route.limit_class}") from None


def make_server(application: Application) -> HTTPServer:
    """A server with a bound on everything it reads. Bodies have each handler's own bound below the largest one."""
    return HTTPServer(
        application,
        max_body_size=limits.COMPLETION_BODY_BYTES_MAX,
        max_buffer_size=limits.CONNECTION_BUFFER_BYTES_MAX,
        max_header_size=limits.HEADER_BYTES_MAX,
        idle_connection_timeout=limits.IDLE_CONNECTION_SECONDS,
        body_timeout=limits.BODY_SECONDS_MAX,
        decompress_request=False,
        xheaders=False,
    )


_no_multipart = httputil.ParseMultipartConfig(enabled=False)
httputil.set_parse_body_config(httputil.ParseBodyConfig(multipart=_no_multipart))  # uploads are streamed, never parsed
