"""What lets the owner of a wallet verify its chain from its histories; `docs/architecture.md` has the recipe."""

from collections.abc import Mapping
from typing import Any

from handlers.base import ApiHandler
from hub.errors import invalid
from models.wallets import hashed_form


def wanted(handler: ApiHandler) -> bool:
    """`proof=true`: each item comes with the very document that its hash is of. Raises `HubError` INVALID."""
    given = handler.query("proof")
    if given not in (None, "true", "false"):
        raise invalid("proof", "must be true or false", given)
    return given == "true"


def links(entry: Mapping[str, Any], proof: bool) -> dict[str, Any]:
    """The fields that an item has for its place in the chain."""
    chained = {"hash": entry["hash"], "previousHash": entry["previous_hash"]}
    return {**chained, "proof": hashed_form(dict(entry))} if proof else chained
