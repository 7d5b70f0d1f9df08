"""What an API key's own limits mean: its budget for the ledger, the AI models it may not use, the tokens it may have."""

from hub.budgets import Budget
from hub.errors import Code, HubError
from hub.identity_cache import Identity


def budget_of(identity: Identity) -> Budget | None:
    """The budget of the caller's key that its holds count against, if any."""
    key_limits, key = identity.limits, identity.key_id
    if key_limits is None or key is None or key_limits.credit_micro is None or key_limits.period is None:
        return None
    return Budget(key, key_limits.credit_micro, key_limits.period)


def budgets_of(identity: Identity) -> tuple[Budget, ...]:
    """The same as a hold takes them."""
    budget = budget_of(identity)
    return () if budget is None else (budget,)


def check_exchange(identity: Identity) -> None:
    """A budget counts what AI models cost: credits must not leave the wallet beside it. Raises `HubError` FORBIDDEN."""
    if budget_of(identity) is not None:
        raise HubError(Code.FORBIDDEN, "An API key with a credit limit may not exchange or give credits")


def may_execute(identity: Identity) -> bool:
    """A workflow acts for its owner, without a key: whoever has one executed is bound by no limit of a key's own."""
    key_limits = identity.limits
    return budget_of(identity) is None and (key_limits is None or key_limits.models is None)


def check_workflows(identity: Identity) -> None:
    """Raises `HubError` FORBIDDEN for a key that may have no workflow executed."""
    if not may_execute(identity):
        message = "An API key with a credit limit or a list of AI models may not execute, make or change workflows"
        raise HubError(Code.FORBIDDEN, message)


def tokens_per_minute(identity: Identity) -> int | None:
    return identity.limits.tokens_per_minute if identity.limits is not None else None


def check_model(identity: Identity, model: str) -> None:
    """Raises `HubError` FORBIDDEN for an AI model that the key is not limited to."""
    allowed = identity.limits.models if identity.limits is not None else None
    if allowed is not None and model not in allowed:
        raise HubError(Code.FORBIDDEN, f"This API key may not use the model {model!r}")
