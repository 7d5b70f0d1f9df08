"""Stripe for tests: localstripe as a process of its own, and a line to it that can be cut.

    hub --> StripeLine (counts; may withhold the answer to a charge that was made) --> LocalStripe

localstripe has payment intents and their webhooks; it does not honour idempotency keys, so that a second charge would show.
What it leaves out of an intent (`amount_received`) the line adds, and what it does not know: Checkout
(`stripe_checkout.py`), and cards that ask for an owner who is away.
"""

import asyncio
import json
import socket
import subprocess
import sys
import time
from typing import Any

import aiohttp
from aiohttp import web

from tests.stand_ins.stripe_checkout import StripeCheckout

API_KEY = "sk_test_12345"
WEBHOOK_SECRET = "whsec_of_the_tests"
START_SECONDS_MAX = 20.0
_AWAY = "off_session=true"
_PROGRAM = """
import sys
from aiohttp import web
from localstripe.resources import store
from localstripe.server import app
store.dump_to_disk = lambda: None
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""


class LocalStripe:
    """One localstripe on loopback."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(self.port)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._listens():
            assert self._process.poll() is None and time.monotonic() < deadline, "localstripe did not start"

    def _listens(self) -> bool:
        assert self._process is not None
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                return True
        try:
            self._process.wait(0.05)
        except subprocess.TimeoutExpired:
            return False
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def intent(self, **params: Any) -> dict[str, Any]:
        """A payment that its payer made by themselves: paid unless `confirm` is "false"."""
        given = {"amount": 1_000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": "true", **params}
        return await self.ask("POST", "/v1/payment_intents", given)

    async def card_that_asks(self) -> str:
        """A payment method whose owner has to agree to each payment."""
        card = {"type": "card", "card[number]": "4000002500003155", "card[exp_month]": "12", "card[exp_year]": "30"}
        return str((await self.ask("POST", "/v1/payment_methods", {**card, "card[cvc]": "123"}))["id"])

    async def charges(self) -> list[dict[str, Any]]:
        """All that was charged, by anybody."""
        found = await self.ask("GET", "/v1/charges?limit=100")
        return [charge for charge in found["data"] if charge["status"] == "succeeded"]

    async def forget(self) -> None:
        async with aiohttp.ClientSession() as session, session.delete(f"{self.url}/_config/data") as answer:
            assert answer.status == 200
        await self.send_webhooks("http://127.0.0.1:9/")  # the discard port: nobody listens

    async def send_webhooks(self, url: str, secret: str = WEBHOOK_SECRET) -> None:
        hook = {"url": url, "secret": secret}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/_config/webhooks/hub", json=hook) as answer,
        ):
            assert answer.status == 200

    async def ask(self, method: str, path: str, data: Any = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {API_KEY}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, self.url + path, data=data) as answer,
        ):
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found


class StripeLine:
    """Passes requests on. After `cut(word)` the answers to paths that have the word in them never come back: the
    connection breaks instead, or, where it is to be `silent`, nothing happens until the client gives up.

    `told` has what an intent's answers say otherwise than localstripe: fields of the intent, by its id.
    """

    def __init__(self, stripe: LocalStripe) -> None:
        self._stripe = stripe
        self.checkout = StripeCheckout(stripe.ask)
        self._word: str | None = None
        self._silent = False
        self.withheld = 0
        self.asked: list[tuple[str, str]] = []
        self.told: dict[str, dict[str, Any]] = {}
        self.was_cut = asyncio.Event()
        self.url = ""

    async def start(self) -> None:
        self._session = aiohttp.ClientSession()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = "http://{}:{}".format(*self._runner.addresses[0][:2])

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    def cut(self, word: str, silent: bool = False) -> None:
        self._word, self._silent = word, silent

    def mend(self) -> None:
        self._word = None

    async def _pass_on(self, request: web.Request) -> web.Response:
        self.asked.append((request.method, request.path))
        status, content = await self._answer(request)
        if self._word is not None and self._word in f"{request.method} {request.path}":
            self.withheld += 1
            self.was_cut.set()
            if not self._silent and request.transport is not None:
                request.transport.abort()
            await asyncio.Event().wait()  # until the client has gone
        return web.Response(status=status, body=content, content_type="application/json")

    async def _answer(self, request: web.Request) -> tuple[int, bytes]:
        body = (await request.read()).decode()
        key = request.headers.get("Idempotency-Key")
        found = await self.checkout.answer(request.method, request.path, request.query_string, body, key)
        if found is not None:
            return found[0], json.dumps(found[1]).encode()
        away = body.lower() == _AWAY and request.path.endswith("/confirm")
        status, content = await self._passed_on(request, "" if away else body)
        if away and json.loads(content).get("status") == "requires_action":
            return await self._asks_who_is_away(json.loads(content)["id"])
        return status, self._completed(content)

    async def _passed_on(self, request: web.Request, body: str) -> tuple[int, bytes]:
        sent = {name: request.headers[name] for name in ("Authorization", "Content-Type") if name in request.headers}
        url = self._stripe.url + request.path_qs
        async with self._session.request(request.method, url, data=body, headers=sent) as answer:
            return answer.status, await answer.read()

    async def _asks_who_is_away(self, intent: str) -> tuple[int, bytes]:
        """As Stripe answers: the charge is declined, and the intent waits for another method."""
        await self._stripe.ask("POST", f"/v1/payment_intents/{intent}/cancel")
        message = "Your card was declined. This transaction requires authentication."
        error = {"type": "card_error", "code": "authentication_required", "message": message}
        self.told[intent] = {"status": "requires_payment_method", "last_payment_error": error}
        shown = json.loads(
            self._completed(json.dumps(await self._stripe.ask("GET", f"/v1/payment_intents/{intent}")).encode())
        )
        return 402, json.dumps({"error": {**error, "payment_intent": shown}}).encode()

    def _completed(self, content: bytes) -> bytes:
        shown = json.loads(content)
        if shown.get("object") != "payment_intent":
            return content
        received = shown["amount"] if shown["status"] == "succeeded" else 0
        return json.dumps({**shown, "amount_received": received, **self.told.get(shown["id"], {})}).encode()
