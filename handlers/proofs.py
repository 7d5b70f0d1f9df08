"""What lets the owner of a wallet verify its chain from its histories; `docs/architecture.md` has the recipe."""

from collections.abc import Mapping
from typing import Any, Final

from handlers.terms import flag
from models.wallets import hashed_form

PROOF: Final = flag("proof", "Whether each item has the document that its hash is of")


def links(entry: Mapping[str, Any], proof: bool) -> dict[str, Any]:
    """The fields that an item has for its place in the chain; with `proof` the very document that its hash is of."""
    chained = {"hash": entry["hash"], "previousHash": entry["previous_hash"]}
    return {**chained, "proof": hashed_form(dict(entry))} if proof else chained
