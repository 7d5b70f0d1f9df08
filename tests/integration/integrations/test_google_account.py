"""A Google account as an integration: connected by a code or by Google's page, used, and ended by either side."""

import asyncio
import json
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from tornado.httpclient import AsyncHTTPClient

from config import assistant
from hub.integrations import google_api
from hub.integrations.google_consent import CALLBACK
from tests.api_client import ApiClient
from tests.contract.examples import unlike
from tests.integration.analyser.analyst import Analyst, described, upload
from tests.patience import within
from tests.site import Site
from tests.stand_ins.google_cloud import GoogleCloud

OWN: Final = f"http://localhost:3001{CALLBACK}"
ALL: Final = "/api/integrations"
SHEETS: Final = "/api/doc-analyzer/export/sheets"


async def connect(client: ApiClient, google: GoogleCloud, status: int = 200, **fields: Any) -> Any:
    body = {"integration_type": "google", "oauth_code": google.code(fields.get("redirect_uri", OWN)), **fields}
    return (await client.post(f"{ALL}/connect", body, status=status)).body


async def exported(analyst: Analyst, google: GoogleCloud) -> dict[str, Any]:
    """What a new analysis of the user's is exported by."""
    analysis = await analyst.ended((await analyst.sends(upload(described(3)))).body["analysis_id"])
    return {"analysis_id": analysis["id"], "spreadsheet_name": "API Documentation Analysis", "include_examples": True}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(google_api, "_PAUSES", (0.01, 0.01))


# --- as it should go ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_an_account_is_connected_listed_tried_and_disconnected(google_site: Site, google: GoogleCloud) -> None:
    analyst, other = await Analyst.at(google_site), await Analyst.at(google_site)
    client = analyst.client
    made = await connect(client, google)
    assert unlike({"id": 2, "type": "google", "status": "connected"}, made) == []
    (listed,) = (await client.get(ALL)).body["integrations"]
    shown = {"id": 1, "type": "google", "name": "ada@gmail.com", "status": "connected"}
    assert unlike({**shown, "connected_at": "2025-01-10T00:00:00Z"}, listed) == []
    assert (listed["id"], listed["name"], listed["last_used"]) == (made["id"], "ada@gmail.com", None)
    tried = (await client.post(f"{ALL}/test?integration_type=google")).body
    assert tried == {
        "status": "success",
        "message": "Connection test successful",
        "details": {"account": "ada@gmail.com", "can_write_spreadsheets": True},
    }
    assert (await client.get(ALL)).body["integrations"][0]["last_used"] is not None
    google.email = "grace@gmail.com"
    for _ in range(2):
        assert (await connect(client, google, redirect_uri="postmessage"))["id"] == made["id"]
        assert len(google.revoked) == 1, "the former account's consent is taken back, and never one's own"
    assert (await client.get(ALL)).body["total"] == 1
    assert (await other.client.get(ALL)).body["integrations"] == []
    for path in ("test", "disconnect"):
        assert (await other.client.post(f"{ALL}/{path}?integration_type=google", status=404)).code
    ended = (await client.post(f"{ALL}/disconnect?integration_type=google")).body
    assert ended == {"message": "Integration disconnected successfully"}
    assert len(google.revoked) == 2 and (await client.get(ALL)).body["integrations"] == []
    await client.post(f"{ALL}/disconnect?integration_type=google", status=404)


@pytest.mark.gen_test
async def test_an_analysis_becomes_a_spreadsheet(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    body = await exported(analyst, google)
    await connect(analyst.client, google)
    made = (await analyst.client.post(SHEETS, body)).body
    assert made["sheets_created"] == ["Endpoints", "Schemas", "Security"]
    assert made["spreadsheet_url"] == f"https://docs.google.com/spreadsheets/d/{made['spreadsheet_id']}/edit"
    assert google.titles[made["spreadsheet_id"]] == "API Documentation Analysis"
    header, *rows = google.sheets[made["spreadsheet_id"]]["Endpoints"]
    assert len(rows) == 3 and "/users2" in rows[2] and all(header)


@pytest.mark.gen_test
async def test_tokens_are_sealed_where_they_are_kept(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    await connect(analyst.client, google)
    (kept,) = await google_site.services.database["integrations"].find({}, limit=2)
    assert "ya29." not in repr(kept) and "1//" not in repr(kept) and kept["sealed"]
    shown = (await analyst.client.get(ALL)).body
    assert "sealed" not in repr(shown) and kept["sealed"] not in repr(shown)


# --- by Google's page ---------------------------------------------------------------------------------------------


async def _begin(analyst: Analyst, cookie: str = "") -> tuple[str, str]:
    """The address of Google's page, and the cookie of the browser that is led there."""
    headers = {"Authorization": f"Bearer {analyst.token}", **({"Cookie": cookie} if cookie else {})}
    answer = await analyst.client.raw("GET", f"{ALL}/google/authorize", headers=headers)
    assert answer.code == 200, answer.body
    kept = answer.headers["Set-Cookie"]
    assert "HttpOnly" in kept and "SameSite=Lax" in kept
    return str(json.loads(answer.body)["authorization_url"]), kept.partition(";")[0]


async def _consented(address: str) -> dict[str, str]:
    answer = await AsyncHTTPClient().fetch(address, follow_redirects=False, raise_error=False)
    assert answer.code == 302, answer.body
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


async def _back(site: Site, given: dict[str, str], cookie: str) -> str:
    """What the page says that the browser is led to."""
    headers = {"Cookie": cookie} if cookie else {}
    answer = await site.client().raw("GET", f"{CALLBACK}?{urlencode(given)}", headers=headers)
    assert answer.code == 302, answer.body
    address = urlsplit(answer.headers["Location"])
    page = await site.client().raw("GET", f"{address.path}?{address.query}")
    assert page.code == 200 and page.headers["Content-Type"].startswith("text/html")
    return str(dict(parse_qsl(address.query))["result"])


@pytest.mark.gen_test
async def test_a_browser_connects_by_googles_page(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    address, cookie = await _begin(analyst)
    given = await _consented(address)
    assert await _back(google_site, given, cookie) == "connected"
    assert (await analyst.client.get(ALL)).body["integrations"][0]["status"] == "connected"
    assert await _back(google_site, given, cookie) == "unknown", "each state is good for one use"
    assert (await _back(google_site, {"error": "access_denied", "state": "x"}, cookie)) == "refused"


@pytest.mark.gen_test
async def test_nobody_has_their_account_connected_to_another_user(google_site: Site, google: GoogleCloud) -> None:
    """Who is led to a callback by somebody else's page has another browser's cookie, or none."""
    thief, victim = await Analyst.at(google_site), await Analyst.at(google_site)
    address, _ = await _begin(thief)
    _, victims = await _begin(victim)
    given = await _consented(address)
    for cookie in (victims, "", "oauth_state=x"):
        address, _ = await _begin(thief)
        assert await _back(google_site, await _consented(address), cookie) == "unknown"
    assert given and await google_site.services.database["integrations"].count({}) == 0


# --- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_a_code_that_is_of_no_use_is_refused(google_site: Site, google: GoogleCloud) -> None:
    client = (await Analyst.at(google_site)).client
    used = google.code(OWN)
    await connect(client, google, oauth_code=used)
    for fields, field in (
        ({"oauth_code": used}, "oauth_code"),
        ({"oauth_code": "4/0AX4XfWh..."}, "oauth_code"),
        ({"oauth_code": google.code("postmessage")}, "oauth_code"),
        ({"redirect_uri": "https://evil.example.com/"}, "redirect_uri"),
        ({"integration_type": "slack"}, "integration_type"),
    ):
        details = (await connect(client, google, 400, **fields))["error"]["details"]
        assert details["field"] == field, fields
        assert field != "oauth_code" or "value" not in details, "a code is a secret"
    google.refreshes = False
    assert "offline" in (await connect(client, google, 400))["error"]["message"]
    google.refreshes, google.scope = True, "openid email"
    assert "Sheets" in (await connect(client, google, 400))["error"]["message"]
    for query in ("", "?integration_type=slack"):
        assert (await client.post(f"{ALL}/test{query}", status=400)).body["error"]["details"]["field"]


@pytest.mark.gen_test
async def test_a_token_is_renewed_when_its_time_has_come(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    google.life_seconds = 30
    await connect(analyst.client, google)
    google.life_seconds = 3_600
    for _ in range(2):
        await analyst.client.post(f"{ALL}/test?integration_type=google")
    assert google.calls.count("token") == 2
    google.refuse_access()
    await analyst.client.post(f"{ALL}/test?integration_type=google")
    assert google.calls.count("token") == 3
    body = await exported(analyst, google)
    google.refuse_access()
    await analyst.client.post(SHEETS, body)
    assert google.calls.count("token") == 4, "what was renewed for the first of many calls is kept for the others"
    google.scope = "https://www.googleapis.com/auth/drive.metadata.readonly"
    google.refuse_access()
    tried = (await analyst.client.post(f"{ALL}/test?integration_type=google")).body
    assert tried["details"]["can_write_spreadsheets"] is False


@pytest.mark.gen_test
async def test_a_second_renewal_in_one_call_is_kept_too(google_site: Site, google: GoogleCloud) -> None:
    """The first one is for its age; the second, for Google takes the first one's token no more."""
    analyst = await Analyst.at(google_site)
    google.life_seconds = 30
    await connect(analyst.client, google)
    google.life_seconds = 3_600
    google.faults["about"] = [401]
    for _ in range(2):
        await analyst.client.post(f"{ALL}/test?integration_type=google")
    google.refuse_access()
    (kept,) = await google_site.services.database["integrations"].find({}, limit=2)
    access = google_site.services.integrations.google._open(kept).access
    assert google.calls.count("token") == 3 and access == list(google._good)[-1]


@pytest.mark.gen_test
async def test_a_consent_that_was_taken_back_is_told_once(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    body = await exported(analyst, google)
    await connect(analyst.client, google)
    google.end_consent()
    answers = await asyncio.gather(*(analyst.client.post(SHEETS, body, status=409) for _ in range(3)))
    assert all(
        answer.code == "RESOURCE_CONFLICT" and "connect" in answer.body["error"]["message"] for answer in answers
    )
    (listed,) = (await analyst.client.get(ALL)).body["integrations"]
    assert listed["status"] == "error" and listed["error"]
    await analyst.client.post(f"{ALL}/test?integration_type=google", status=409)
    notes, _ = await google_site.services.notifications.page(analyst.user, 10, None)
    assert [note["title"] for note in notes].count("Google is disconnected") == 1
    assert (await connect(analyst.client, google))["status"] == "connected"
    assert (await analyst.client.post(SHEETS, body)).body["spreadsheet_id"]


@pytest.mark.gen_test
async def test_an_account_that_answers_again_is_used_again(google_site: Site, google: GoogleCloud) -> None:
    client = (await Analyst.at(google_site)).client
    await connect(client, google)
    broken = {"status": "error", "error": "Google was mistaken"}
    await google_site.services.database["integrations"].update_one({}, {"$set": broken})
    await client.post(f"{ALL}/test?integration_type=google")
    (listed,) = (await client.get(ALL)).body["integrations"]
    assert (listed["status"], listed["error"]) == ("connected", None)


@pytest.mark.gen_test
async def test_what_was_sealed_by_another_secret_has_to_be_connected_anew(
    google_site: Site, google: GoogleCloud
) -> None:
    analyst = await Analyst.at(google_site)
    await connect(analyst.client, google)
    await google_site.services.database["integrations"].update_one({}, {"$set": {"sealed": "gAAAAAB"}})
    assert (
        "connect"
        in (await analyst.client.post(f"{ALL}/test?integration_type=google", status=409)).body["error"]["message"]
    )
    await analyst.client.post(f"{ALL}/disconnect?integration_type=google")


@pytest.mark.gen_test
async def test_google_that_fails_leaves_nothing_half_done(google_site: Site, google: GoogleCloud) -> None:
    analyst = await Analyst.at(google_site)
    body = await exported(analyst, google)
    await connect(analyst.client, google)
    google.faults["create"] = [503]
    google.faults["fill"] = [429]
    assert (await analyst.client.post(SHEETS, body)).body["spreadsheet_id"]
    for call, statuses in (("create", [503] * 3), ("fill", [500] * 3), ("fill", [404]), ("create", [400])):
        google.faults[call] = list(statuses)
        assert (await analyst.client.post(SHEETS, body, status=503)).code == "SERVICE_UNAVAILABLE", call
    google.faults["create"] = [500]
    before = google.calls.count("create")
    await analyst.client.post(SHEETS, body, status=503)
    assert google.calls.count("create") == before + 1, "it may have been made: another one would stand beside it"
    google.faults["create"] = [403]
    assert "does not allow" in (await analyst.client.post(SHEETS, body, status=409)).body["error"]["message"]
    assert len(google.sheets) == 1
    await google.stop()
    assert (await analyst.client.post(SHEETS, body, status=503)).code == "SERVICE_UNAVAILABLE"
    await connect(analyst.client, google, 503)
    await analyst.client.post(f"{ALL}/disconnect?integration_type=google")


@pytest.mark.gen_test
async def test_an_export_that_takes_too_long_gives_its_turn_back(
    google_site: Site, google: GoogleCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = await Analyst.at(google_site)
    body = await exported(analyst, google)
    await connect(analyst.client, google)
    monkeypatch.setattr(google_api, "_PAUSES", (60.0, 60.0))
    monkeypatch.setattr(assistant, "EXPORT_SECONDS_MAX", 3.0)
    waiting = [analyst.client.post(SHEETS, body, status=503) for _ in range(assistant.EXPORTS_AT_ONCE)]
    google.faults["fill"] = [500] * len(waiting)
    async with within(10.0):
        answers = await asyncio.gather(*waiting)
    assert all("within 3 seconds" in answer.body["error"]["message"] for answer in answers)
    assert google.sheets == {}, "what was half filled is removed"
    monkeypatch.setattr(assistant, "EXPORT_SECONDS_MAX", 60.0)
    assert (await analyst.client.post(SHEETS, body)).body["spreadsheet_id"]


@pytest.mark.gen_test
async def test_without_google_nothing_is_connected(site: Site) -> None:
    client = (await Analyst.at(site)).client
    body = {"integration_type": "google", "oauth_code": "4/0AX4XfWh..."}
    assert "GOOGLE_CLIENT_ID" in (await client.post(f"{ALL}/connect", body, status=503)).body["error"]["message"]
    await client.get(f"{ALL}/google/authorize", status=503)
    assert (await client.get(ALL)).body["integrations"] == []
