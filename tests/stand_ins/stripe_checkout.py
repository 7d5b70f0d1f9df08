"""Stripe's Checkout for tests, which localstripe does not have: sessions in the wire form of Stripe's API.

    hub --POST sessions--> open --pays()--> complete, with an intent of localstripe     GET, and POST .../expire

It honours idempotency keys, as Stripe does, and refuses what Stripe refuses of what the hub may get wrong. `intents` asks
localstripe, so that what was paid is among its charges.
"""

import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

Json = dict[str, Any]
Ask = Callable[..., Awaitable[Json]]

_SHORTEST_SECONDS, _LONGEST_SECONDS = 1_800, 86_400
_NEEDED: Final = {
    "mode",
    "success_url",
    "cancel_url",
    "client_reference_id",
    "expires_at",
    "line_items[0][quantity]",
    "line_items[0][price_data][currency]",
    "line_items[0][price_data][unit_amount]",
    "line_items[0][price_data][product_data][name]",
}
_MAPS: Final = ("metadata[", "payment_intent_data[metadata][")


class StripeCheckout:
    """What has been opened, by its id; `ask` asks localstripe."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._by_key: dict[str, str] = {}
        self.sessions: dict[str, Json] = {}
        self._of_intents: dict[str, dict[str, str]] = {}

    async def answer(self, method: str, path: str, query: str, body: str, key: str | None) -> tuple[int, Json] | None:
        """Status and body of what is asked about sessions; None for what is not about them."""
        parts = path.removeprefix("/v1/checkout/sessions").strip("/").split("/")
        if not path.startswith("/v1/checkout/sessions"):
            return None
        if (method, parts) == ("POST", [""]):
            return self._create({name: values[-1] for name, values in parse_qs(body).items()}, key)
        session = self.sessions.get(parts[0])
        if session is None:
            return _refused(404, f"No such checkout.session: '{parts[0]}'")
        if parts[1:] == ["expire"]:
            return self._expire(session)
        return 200, await self._shown(session, "payment_intent" in query)

    def _create(self, given: Mapping[str, str], key: str | None) -> tuple[int, Json]:
        if key in self._by_key:
            return 200, self.sessions[self._by_key[str(key)]]
        unknown = [name for name in given if name not in _NEEDED and not name.startswith(_MAPS)]
        if unknown or _NEEDED - given.keys():
            return _refused(400, f"Received unknown or too few parameters: {unknown} {_NEEDED - given.keys()}")
        left = int(given["expires_at"]) - time.time()
        if not _SHORTEST_SECONDS <= left <= _LONGEST_SECONDS:
            return _refused(400, "The `expires_at` timestamp must be between 30 minutes and 24 hours from creation.")
        session = _session(given)
        self.sessions[session["id"]] = session
        self._of_intents[session["id"]] = _map(given, "payment_intent_data[metadata][")
        if key is not None:
            self._by_key[key] = session["id"]
        return 200, session

    def _expire(self, session: Json) -> tuple[int, Json]:
        if session["status"] != "open":
            return _refused(400, 'Only Checkout Sessions with a status in ["open"] can be expired.')
        session |= {"status": "expired", "url": None}
        return 200, session

    async def _shown(self, session: Json, expanded: bool) -> Json:
        if not expanded or session["payment_intent"] is None:
            return session
        intent = await self._ask("GET", f"/v1/payment_intents/{session['payment_intent']}?expand[]=latest_charge")
        return {**session, "payment_intent": intent}

    # --- what payers do -------------------------------------------------------------------------------------

    async def pays(self, session_id: str) -> str:
        """Its payer pays on the page; the intent."""
        session = self.sessions[session_id]
        assert session["status"] == "open", "only an open page can be paid on"
        metadata = {f"metadata[{name}]": value for name, value in self._of_intents[session_id].items()}
        paid = {"amount": session["amount_total"], "currency": session["currency"], "confirm": "true", **metadata}
        intent = await self._ask("POST", "/v1/payment_intents", {**paid, "payment_method": "pm_card_visa"})
        session |= {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"], "url": None}
        return str(intent["id"])

    async def pays_later(self, session_id: str) -> str:
        """Its payer chooses a way that takes days; the intent, whose payer does not confirm it."""
        session = self.sessions[session_id]
        begun = {"amount": session["amount_total"], "currency": session["currency"], "payment_method": "pm_card_visa"}
        intent = await self._ask("POST", "/v1/payment_intents", begun)
        session |= {"status": "complete", "payment_status": "unpaid", "payment_intent": intent["id"], "url": None}
        return str(intent["id"])


def _session(given: Mapping[str, str]) -> Json:
    amount = int(given["line_items[0][price_data][unit_amount]"]) * int(given["line_items[0][quantity]"])
    session_id = f"cs_test_a1{secrets.token_hex(28)}"
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "billing_address_collection": None,
        "cancel_url": given["cancel_url"],
        "client_reference_id": given["client_reference_id"],
        "client_secret": None,
        "created": int(time.time()),
        "currency": given["line_items[0][price_data][currency]"],
        "customer": None,
        "customer_details": None,
        "customer_email": None,
        "expires_at": int(given["expires_at"]),
        "invoice": None,
        "livemode": False,
        "locale": None,
        "metadata": _map(given, "metadata["),
        "mode": given["mode"],
        "payment_intent": None,
        "payment_link": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "recovered_from": None,
        "setup_intent": None,
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": given["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
        "url": f"https://checkout.stripe.com/c/pay/{session_id}",
    }


def _map(given: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name[len(prefix) : -1]: value for name, value in given.items() if name.startswith(prefix)}


def _refused(status: int, message: str) -> tuple[int, Json]:
    return status, {"error": {"type": "invalid_request_error", "message": message}}
