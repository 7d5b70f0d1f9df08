"""What the hub says of its own API: served, printed, and as a Postman collection that can be run."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from tornado.httpclient import HTTPResponse
from tornado.testing import bind_unused_port

from handlers.access import public
from handlers.api_docs import OPENAPI, POSTMAN
from handlers.application import ROUTES, HubApplication, make_server
from handlers.base import ApiHandler
from handlers.openapi import document
from handlers.postman import collection
from handlers.routing import Route
from handlers.terms import Parameter, answers, asks
from tests.api_client import ApiClient
from tests.contract.described import DOCUMENT
from tests.site import PASSWORD, Site

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "http://localhost:3001"
COLLECTION: Final[dict[str, Any]] = collection(DOCUMENT, BASE)


def items() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every request of the collection, with the name of its folder."""
    for folder in COLLECTION["item"]:
        yield from ((folder["name"], item) for item in folder["item"])


def address(item: dict[str, Any]) -> tuple[str, str]:
    request = item["request"]
    path = "/" + "/".join(request["url"]["path"])
    return request["method"], re.sub(r":(\w+)", r"{\1}", path)


# --- served and printed -----------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize("path", [OPENAPI, POSTMAN])
async def test_a_document_is_served_to_anybody_and_once(site: Site, path: str) -> None:
    first = await site.client().raw("GET", path)
    assert (first.code, first.headers["Content-Type"]) == (200, "application/json")
    assert first.headers["Access-Control-Allow-Origin"] == "*" and "Server" not in first.headers
    expected = DOCUMENT if path == OPENAPI else collection(DOCUMENT, site.services.settings.public_url)
    assert json.loads(first.body) == expected
    again = await site.client().raw("GET", path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.code, again.body) == (304, b"")
    other = await site.client().raw("GET", path, headers={"If-None-Match": '"another"'})
    assert other.code == 200 and other.headers["ETag"] == first.headers["ETag"]
    head = await site.client().raw("HEAD", path)
    assert (head.code, head.headers["Content-Length"]) == (200, str(len(first.body)))


@pytest.mark.gen_test
async def test_the_page_may_load_nothing_from_elsewhere(site: Site) -> None:
    pages = [await site.client().raw("GET", path) for path in ("/api", "/api/")]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert page.code == 200 and "default-src 'self'; script-src 'self' ;" in policy and "unsafe" not in policy
    assert pages[0].body == pages[1].body


def test_the_command_prints_it_for_the_address_of_the_hub(tmp_path: Path) -> None:
    environ = {"HUB_DATA_DIR": str(tmp_path), "HUB_PUBLIC_URL": "https://hub.example.com"}
    run = subprocess.run([sys.executable, "run.py", "openapi"], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == document(ROUTES, "https://hub.example.com")


# --- what a method declares -------------------------------------------------------------------------------------


class Declares(ApiHandler):
    @public
    @asks(Parameter("told", "What is said"))
    @answers(201)
    def get(self) -> None:
        self.answer({"told": self.query("told"), "kept": self.query("kept") if self.query("told") == "more" else None})


@pytest.mark.gen_test
async def test_a_method_reads_what_it_declares_and_answers_with_its_status(site: Site) -> None:
    server = make_server(HubApplication(site.services, [Route("/api/declares", Declares, ("smart_ai_hub",))]))
    listening, port = bind_unused_port()
    server.add_socket(listening)
    client = ApiClient(port)
    good = await client.get("/api/declares?told=it", status=201)
    assert good.data == {"told": "it", "kept": None}
    await client.get("/api/declares?told=more&kept=1", status=500)
    server.stop()
    await server.close_all_connections()


# --- Postman ----------------------------------------------------------------------------------------------------


def test_the_collection_has_the_parts_that_its_schema_asks_for() -> None:
    info = COLLECTION["info"]
    assert info["name"] and info["schema"].endswith("/collection/v2.1.0/collection.json")
    assert [folder["name"] for folder in COLLECTION["item"]] == [
        "Smart AI Hub",
        "AI Aggregator",
        "AI Playground",
        "AI Assistant",
    ]
    for _, item in items():
        request = item["request"]
        assert item["name"] and request["method"] in ("GET", "POST", "PUT", "PATCH", "DELETE")
        assert request["url"]["raw"] == "{{baseUrl}}/" + "/".join(request["url"]["path"])
        for part in (*request["header"], *request["url"].get("query", [])):
            assert isinstance(part["key"], str) and isinstance(part["value"], str)
        assert {each["key"] for each in request["url"].get("variable", [])} == set(
            re.findall(r":(\w+)", request["url"]["raw"])
        )
        if "body" in request:
            assert request["body"]["mode"] == "raw" and isinstance(json.loads(request["body"]["raw"]), dict)
    assert {each["key"] for each in COLLECTION["variable"]} == {"baseUrl", "token", "serviceToken"}


def test_the_collection_has_every_operation_in_the_folder_of_its_first_api() -> None:
    owed = {
        (method.upper(), path): one["tags"][0]
        for path, methods in DOCUMENT["paths"].items()
        for method, one in methods.items()
        if method != "parameters"
    }
    assert {address(item): folder for folder, item in items()} == owed
    assert len(list(items())) == len(owed)


def test_a_request_has_the_credential_that_its_operation_takes() -> None:
    by_address = {address(item): item["request"] for _, item in items()}
    assert COLLECTION["auth"]["bearer"][0]["value"] == "{{token}}"
    assert "auth" not in by_address["GET", "/api/users/me"]
    assert by_address["POST", "/api/auth/login"]["auth"] == {"type": "noauth"}
    deduct = by_address["POST", "/api/v1/mcp/points/deduct"]
    assert deduct["auth"] == {"type": "noauth"}
    headers = {each["key"]: each for each in deduct["header"]}
    assert headers["X-Service-Token"]["value"] == "{{serviceToken}}"
    assert headers["X-User-ID"]["disabled"] is False and headers["Idempotency-Key"]["disabled"] is True


async def run_item(site: Site, method: str, path: str, variables: dict[str, str]) -> HTTPResponse:
    """As Postman sends it: variables filled in, what is switched off left out, the collection's credential where none is."""
    request = next(item["request"] for _, item in items() if address(item) == (method, path))
    sent = json.loads(_filled(json.dumps(request), variables))
    headers = {each["key"]: each["value"] for each in sent["header"] if not each.get("disabled")}
    if "auth" not in sent:
        headers["Authorization"] = "Bearer " + _filled(COLLECTION["auth"]["bearer"][0]["value"], variables)
    assert sent["url"]["raw"].startswith(f"{BASE}/")
    body = sent["body"]["raw"].encode() if "body" in sent else None
    return await site.client().raw(method, sent["url"]["raw"].removeprefix(BASE), body, headers)


def _filled(text: str, variables: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: variables[found.group(1)], text)


@pytest.mark.gen_test
async def test_requests_of_the_collection_are_answered_by_the_hub(site: Site) -> None:
    variables = {"baseUrl": BASE, "token": "", "serviceToken": "none"}
    signed_up = await run_item(site, "POST", "/api/auth/register", variables)
    assert signed_up.code == 201, signed_up.body
    variables["token"] = json.loads(signed_up.body)["data"]["tokens"]["accessToken"]
    me = await run_item(site, "GET", "/api/users/me", variables)
    assert me.code == 200 and json.loads(me.body)["data"]["email"] == "ada@example.org"
    chat = await run_item(site, "POST", "/v1/chat/completions", variables)
    assert chat.code == 200 and json.loads(chat.body)["choices"], chat.body
    assert (await run_item(site, "GET", "/api/users/me", {**variables, "token": PASSWORD})).code == 401
