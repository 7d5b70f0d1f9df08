"""Our own page of a checkout: where its payer comes back to from the payments company, and where the sandbox is paid.

    GET   what is bought, and how it stands; with the sandbox a form, and at the end a link to where its buyer goes on
    POST  pays or turns back, once; a page of another site cannot make a browser send it

Its address is the secret that is all it takes: no cookie counts. Nobody is ever sent on to where the buyer wants to go: that
address is anybody's, and stands there as a link.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from config import assistant, limits
from handlers.access import public
from handlers.cards import Card
from handlers.routing import Route
from hub.credits import return_urls
from hub.credits.checkouts import Checkouts
from hub.errors import Code, HubError
from hub.payments.records import amount_text
from models.database import DatabaseError, Document

if TYPE_CHECKING:
    from handlers.application import HubApplication

PAGES: Final = "/checkout/"
_METHOD: Final = "pm_card_visa"


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says. `payable` gives it the form, `go_on` a link to the company's page, `back` one to the buyer's."""

    title: str
    text: str
    price: str = ""
    payable: bool = False
    method: str = _METHOD
    failure: str = ""
    go_on: str = ""
    back: str = ""
    back_host: str = ""


_UNKNOWN: Final = Shown("No such checkout", "This address is not one of a checkout, or not all of it.")
_WRONG: Final = Shown("That did not work", "The hub cannot read what was sent. Nothing was paid: open the page anew.")
_OTHERS: Final = Shown("That did not work", "Another site's page sent this. Nothing was paid: open the page itself.")
_AWAY: Final = Shown("Not just now", "The hub cannot do this at the moment: open the page again in a minute.")


class Checkout(Card):
    """One checkout."""

    template = "checkout.html"

    body_bytes_max = assistant.CHECKOUT_FORM_BYTES_MAX

    @public
    async def get(self, page: str) -> None:
        """What is bought, and how it stands."""
        self._show(self._shown(await self._checkouts.find(page)))

    @public
    async def head(self, page: str) -> None:
        """The same without the page."""
        await self.get(page)

    @public
    async def post(self, page: str) -> None:
        """Pay, or turn back; the answer leads to the page as it is then."""
        row = await self._checkouts.find(page)
        if not _is_our_page(self.request):
            self._show(_OTHERS, 403)
            return
        act = {"pay": self._pay, "cancel": self._cancel}.get(self._field("action"))
        if act is None:
            self._show(_WRONG, 400)
            return
        try:
            await act(row, page)
        except HubError as error:
            if error.code is not Code.CONFLICT:
                raise
            self._lead_back(page)  # sent twice, or from a page that has grown old: it is shown how it stands now

    async def _pay(self, row: Document, page: str) -> None:
        method = self._field("method")
        try:
            await self._checkouts.pay(page, method)
        except HubError as error:
            if error.code is not Code.INVALID:
                raise
            self._show(self._shown(row, method, error.details[0].message), 402)
        else:
            self._lead_back(page)

    async def _cancel(self, row: Document, page: str) -> None:
        await self._checkouts.cancel(page)
        self._lead_back(page)

    def _lead_back(self, page: str) -> None:
        """To the same address, so that a reload sends nothing anew."""
        self.redirect(PAGES + page, status=303)

    def _field(self, name: str) -> str:
        return self.request.body_arguments.get(name, [b""])[-1].decode(errors="replace")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        raised = (kwargs.get("exc_info") or (None, None, None))[1]
        if isinstance(raised, HubError) and raised.code is Code.NOT_FOUND:
            self._show(_UNKNOWN, 404)
        elif status_code < 500:
            self._show(_WRONG, status_code)
        else:
            self._show_away(status_code if raised is None else _status_of(raised))

    def log_exception(self, typ: Any, value: BaseException | None, tb: Any) -> None:
        """What is told to the visitor was foreseen."""
        if not isinstance(value, HubError | DatabaseError):
            super().log_exception(typ, value, tb)

    def _show_away(self, status: int) -> None:
        if status == 503:
            self.set_header("Retry-After", str(int(limits.UNAVAILABLE_RETRY_SECONDS)))
        self._show(_AWAY, status)

    @property
    def _checkouts(self) -> Checkouts:
        return cast("HubApplication", self.application).services.credits.checkouts

    def _shown(self, row: Document, method: str = _METHOD, failure: str = "") -> Shown:
        payable = self._checkouts.is_payable_here(row)
        title, text = _words(row, payable)
        back = row["checkout"]["return_url"]
        return Shown(
            title,
            text,
            price=_price(row),
            payable=payable,
            method=method or _METHOD,
            failure=f"{failure.rstrip('.')}." if failure else "",
            go_on=self._checkouts.elsewhere(row),
            back=return_urls.link(back, row["payment"], row["status"]),
            back_host=return_urls.host(back),
        )

    def _show(self, shown: Shown, status: int = 200) -> None:
        self.show(status, **asdict(shown))


def _status_of(raised: BaseException) -> int:
    return 503 if isinstance(raised, HubError | DatabaseError) else 500


def _words(row: Document, payable: bool) -> tuple[str, str]:
    what, price = amount_text(row), _price(row)
    said: Mapping[str, tuple[str, str]] = {
        "succeeded": ("Paid", f"{what} were added to the wallet, for {price}."),
        "failed": ("Not paid", f"Nothing was charged for {what}: {row['reason']}."),
        "pending": ("Not paid yet", f"{what}, for {price}, are added to the wallet as soon as the payment is known."),
    }
    return (row["title"], f"{what} for {price}.") if payable else said[row["status"]]


def _price(row: Document) -> str:
    return f"${row['cents'] / 100:,.2f}"


def _is_our_page(request: HTTPServerRequest) -> bool:
    """Whether the form was sent by this very page; a program that is no browser says neither, and acts for itself."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    return origin is None or urlsplit(origin).netloc == request.host


ROUTES = [Route(f"{PAGES}([A-Za-z0-9_]{{1,64}})", Checkout)]
