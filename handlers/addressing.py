"""Which of the four APIs is spoken to, where the path alone does not say.

the address (HUB_API_HOSTS)  ->  the credential: our cookie is the AI Assistant's  ->  Smart AI Hub
"""

from collections.abc import Collection, Mapping
from typing import Final

from handlers.dialects import AI_ASSISTANT, ANTHROPIC, DIALECTS, SMART_AI_HUB, Dialect

_ASSISTANT_PREFIXES: Final = (
    "ai",
    "models",
    "history",
    "projects",
    "workflows",
    "integrations",
    "doc-analyzer",
    "monitoring",
    "dashboard",
    "rankings",
)
_MESSAGES: Final = "/v1/messages"
PREFIXES: Final[Mapping[str, str]] = {
    "/v1": "ai_aggregator",
    **{f"/api/v1/{name}": "ai_playground" for name in ("ai", "api-keys", "webhooks", "usage")},
    **{f"/api/{name}": "ai_assistant" for name in _ASSISTANT_PREFIXES},
}


def of_form(path: str) -> Dialect | None:
    """The dialect of those paths that another company's clients use, whatever the address."""
    return ANTHROPIC if path == _MESSAGES or path.startswith(f"{_MESSAGES}/") else None


def of_shared(apis: Collection[str], host: str, by_cookie: bool, hosts: Mapping[str, str]) -> Dialect:
    """The dialect of a path that `apis` share. The address chooses only among the APIs that document the path."""
    api = _by_host(host, hosts)
    if api is not None and api in apis:
        return DIALECTS[api]
    if by_cookie and AI_ASSISTANT.name in apis:
        return AI_ASSISTANT
    return SMART_AI_HUB


def of_unknown(path: str, host: str, hosts: Mapping[str, str]) -> Dialect:
    """The dialect for a path that nobody has: the address's, else that of the longest prefix."""
    api = _by_host(host, hosts) or _by_prefix(path)
    return DIALECTS[api] if api else SMART_AI_HUB


def _by_host(host: str, hosts: Mapping[str, str]) -> str | None:
    """As it is, else without the port that a scheme has anyway and the dot that ends a whole name."""
    name = host.lower()
    plain = name.removesuffix(":443").removesuffix(":80").removesuffix(".")
    return hosts.get(name) or hosts.get(plain)


def _by_prefix(path: str) -> str | None:
    """The owner of the longest prefix that ends at a slash of the path or with it."""
    while path:
        if path in PREFIXES:
            return PREFIXES[path]
        path = path.rpartition("/")[0]
    return None
