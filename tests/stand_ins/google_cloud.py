"""Google as an integration meets it: consent and tokens (OAuth 2), Sheets v4 and Drive v3, in the forms of their documents.

`faults` answers the next calls of a method by a status; `revoked` are refresh tokens that are good no more. What a caller
does wrong is answered as Google does, by 400 with its reason.
"""

import base64
import hashlib
import re
import secrets
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

Json = dict[str, Any]
CLIENT: Final = {"GOOGLE_CLIENT_ID": "hub-client", "GOOGLE_CLIENT_SECRET": "hub-secret"}
SCOPES: Final = "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.file"
_RANGE: Final = re.compile(r"'([^']+)'!A([1-9]\d*)")
_CELL_CHARS_MAX: Final = 50_000


@dataclass
class GoogleCloud:
    """One account. `sheets` has the cells of each spreadsheet's sheets, rows of columns."""

    email: str = "ada@gmail.com"
    scope: str = SCOPES
    refreshes: bool = True  # whether a code gives a refresh token
    life_seconds: int = 3_600
    faults: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    calls: list[str] = field(default_factory=list)
    sheets: dict[str, dict[str, list[list[Any]]]] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)  # access tokens
    url: str = ""

    def __post_init__(self) -> None:
        self._codes: dict[str, Json] = {}
        self._good: dict[str, str] = {}  # the refresh token of each access token
        self._grids: dict[str, dict[str, tuple[int, int]]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def settings(self) -> dict[str, str]:
        addresses = {"GOOGLE_ISSUER_URL": self.url, "GOOGLE_SHEETS_URL": self.url, "GOOGLE_DRIVE_URL": self.url}
        return {**CLIENT, **addresses, "HUB_RATE_LIMITS": "off"}

    async def start(self) -> None:
        application = web.Application(client_max_size=8 << 20, middlewares=[self._faulty])
        router = application.router
        router.add_get("/.well-known/openid-configuration", self._describe)
        router.add_get("/authorize", self._authorize)
        router.add_post("/token", self._token)
        router.add_post("/revoke", self._revoke)
        router.add_post("/v4/spreadsheets", self._create)
        router.add_post("/v4/spreadsheets/{id}/values:batchUpdate", self._fill)
        router.add_post("/v4/spreadsheets/{id}/values/{range}:append", self._append)
        router.add_get("/drive/v3/about", self._about)
        router.add_delete("/drive/v3/files/{id}", self._delete)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def code(self, redirect_uri: str, challenge: str | None = None) -> str:
        """One that a user's consent came to."""
        made = secrets.token_urlsafe(16)
        self._codes[made] = {"redirect_uri": redirect_uri, "challenge": challenge}
        return made

    @web.middleware
    async def _faulty(self, request: web.Request, handler: Any) -> web.StreamResponse:
        name = handler.__name__.strip("_")
        self.calls.append(name)
        if self.faults[name]:
            status = self.faults[name].pop(0)
            return _failed(status, "a fault of this test's")
        answer: web.StreamResponse = await handler(request)
        return answer

    # --- OAuth ---------------------------------------------------------------------------------------------------

    async def _describe(self, request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "revocation_endpoint": "revoke"}
        addresses = {name: f"{self.url}/{path}" for name, path in ends.items()}
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **addresses})

    async def _authorize(self, request: web.Request) -> web.Response:
        """A user who allows everything, at once."""
        asked = dict(request.query)
        lasting = asked.get("access_type") == "offline" and asked.get("prompt") == "consent"
        if asked["client_id"] != CLIENT["GOOGLE_CLIENT_ID"] or asked["scope"] != SCOPES or not lasting:
            return web.Response(status=400, text="Error 400: invalid_request")
        code = self.code(asked["redirect_uri"], asked.get("code_challenge"))
        raise web.HTTPFound(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}")

    async def _token(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if (form.get("client_id"), form.get("client_secret")) != tuple(CLIENT.values()):
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") == "refresh_token":
            return self._refreshed(form["refresh_token"])
        asked = self._codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri") or not _proves(asked, form):
            return web.json_response({"error": "invalid_grant"}, status=400)
        refresh = f"1//{secrets.token_urlsafe(16)}"
        lasting = {"refresh_token": refresh} if self.refreshes else {}
        return web.json_response({**self._access(refresh), **lasting, "scope": self.scope})

    def _refreshed(self, refresh: str) -> web.Response:
        if refresh in self.revoked:
            told = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            return web.json_response(told, status=400)
        return web.json_response({**self._access(refresh), "scope": self.scope})

    def _access(self, refresh: str) -> Json:
        token = f"ya29.{secrets.token_urlsafe(16)}"
        self._good[token] = refresh
        return {"access_token": token, "expires_in": self.life_seconds, "token_type": "Bearer"}

    async def _revoke(self, request: web.Request) -> web.Response:
        self.revoked.add(str((await request.post())["token"]))
        return web.json_response({})

    def end_consent(self) -> None:
        """The user takes it back, on Google's own pages."""
        self.revoked |= set(self._good.values())
        self.refused |= self._good.keys()

    def refuse_access(self) -> None:
        """Every access token so far is good no more, and another one is to be had."""
        self.refused |= self._good.keys()

    def _stranger(self, request: web.Request) -> web.Response | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self._good or token in self.refused or self._good[token] in self.revoked:
            return _failed(401, "Request had invalid authentication credentials.")
        return None

    # --- Sheets and Drive ----------------------------------------------------------------------------------------

    async def _about(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        if "fields" not in request.query:
            return _failed(400, "The 'fields' parameter is required for this method.")
        return web.json_response({"user": {"emailAddress": self.email}})

    async def _create(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        body = await request.json()
        unknown = set(body) - {"properties", "sheets"}
        if unknown:
            return _failed(400, f'Invalid JSON payload received. Unknown name "{unknown.pop()}"')
        grids = {}
        for sheet in body["sheets"]:
            grid = sheet["properties"]["gridProperties"]
            if grid.get("frozenRowCount", 0) >= grid["rowCount"]:
                return _failed(400, "You can't freeze all visible rows on the sheet.")
            grids[sheet["properties"]["title"]] = (grid["rowCount"], grid["columnCount"])
        made = secrets.token_urlsafe(32)
        self._grids[made] = grids
        self.sheets[made] = {title: [[""] * columns for _ in range(rows)] for title, (rows, columns) in grids.items()}
        self.titles[made] = body["properties"]["title"]
        sheets = [{"properties": {"title": title}} for title in grids]
        url = f"https://docs.google.com/spreadsheets/d/{made}/edit"
        return web.json_response({"spreadsheetId": made, "spreadsheetUrl": url, "sheets": sheets})

    async def _fill(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        body, spreadsheet = await request.json(), self.sheets.get(request.match_info["id"])
        if spreadsheet is None:
            return _failed(404, "Requested entity was not found.")
        if set(body) != {"valueInputOption", "data"} or body["valueInputOption"] not in ("RAW", "USER_ENTERED"):
            return _failed(400, "'valueInputOption' is required but not specified")
        for values in body["data"]:
            if (fault := _written(spreadsheet, values)) is not None:
                return _failed(400, fault)
        return web.json_response({"spreadsheetId": request.match_info["id"]})

    async def _append(self, request: web.Request) -> web.Response:
        """Below the table that a range names, which grows by the rows."""
        if stranger := self._stranger(request):
            return stranger
        body, spreadsheet = await request.json(), self.sheets.get(request.match_info["id"])
        title = request.match_info["range"].partition("!")[0].strip("'")
        if spreadsheet is None:
            return _failed(404, "Requested entity was not found.")
        if title not in spreadsheet:
            return _failed(400, f"Unable to parse range: {request.match_info['range']}")
        if request.query.get("valueInputOption") not in ("RAW", "USER_ENTERED"):
            return _failed(400, "'valueInputOption' is required but not specified")
        first = len(spreadsheet[title]) + 1
        spreadsheet[title] += body["values"]
        written = f"{title}!A{first}:A{len(spreadsheet[title])}"
        return web.json_response({"updates": {"updatedRange": written, "updatedRows": len(body["values"])}})

    async def _delete(self, request: web.Request) -> web.Response:
        if stranger := self._stranger(request):
            return stranger
        if self.sheets.pop(request.match_info["id"], None) is None:
            return _failed(404, "File not found")
        return web.Response(status=204)


def _proves(asked: Json, form: dict[str, str]) -> bool:
    if asked["challenge"] is None:
        return True
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    return bool(base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == asked["challenge"])


def _written(spreadsheet: dict[str, list[list[Any]]], values: Json) -> str | None:
    """What is wrong with one range of values, which is written where nothing is."""
    place = _RANGE.fullmatch(values["range"])
    if place is None or place[1] not in spreadsheet:
        return f"Unable to parse range: {values['range']}"
    rows, first = spreadsheet[place[1]], int(place[2]) - 1
    for number, row in enumerate(values["values"], first):
        if number >= len(rows) or len(row) > len(rows[number]):
            return f"Range ({values['range']}) exceeds grid limits."
        if any(isinstance(cell, str) and len(cell) > _CELL_CHARS_MAX for cell in row):
            return "Your input contains more than the maximum of 50000 characters in a single cell."
        rows[number] = [*row, *rows[number][len(row) :]]
    return None


def _failed(status: int, message: str) -> web.Response:
    return web.json_response({"error": {"code": status, "message": message, "status": "FAILED"}}, status=status)
