"""The HTTP layer against a real server and a real database: forms, refusals, bodies, and what the first handlers say."""

import asyncio
import contextlib
import gzip
import json
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from config import limits
from tests.ledger_parts import fail_point
from tests.site import PASSWORD, Site

# --- signing up and in ---------------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_sign_up_answers_in_all_three_forms_at_once(site: Site) -> None:
    body = await site.register(firstName="Ada", lastName="Lovelace", username="ada99")
    assert body["data"]["user"]["firstName"] == "Ada" and body["data"]["user"]["tier"] == "free"
    assert body["data"]["tokens"]["expiresIn"] == limits.ACCESS_TOKEN_SECONDS
    assert body["data"]["token"] == body["access_token"] == body["data"]["tokens"]["accessToken"]
    assert body["token_type"] == "bearer" and type(body["user"]["id"]) is int
    assert body["message"] and body["timestamp"]


@pytest.mark.gen_test
async def test_the_address_decides_the_form_of_a_login(site: Site) -> None:
    await site.register()
    body = {"email": "user1@example.com", "password": PASSWORD}
    assistant = await site.client("ai_assistant").post("/api/auth/login", body, headers={"Host": "localhost:8000"})
    assert set(assistant.body) == {"access_token", "token_type", "user"}
    playground = await site.client("ai_playground").post(
        "/api/auth/login", body, headers={"Host": "your-api-domain.com"}
    )
    assert set(playground.data) == {"user", "token"}


@pytest.mark.gen_test
async def test_the_cookie_is_closed_to_scripts_and_other_sites(site: Site) -> None:
    await site.register()
    answer = await site.client().post("/api/auth/login", {"email": "user1@example.com", "password": PASSWORD})
    flags = {flag.strip().lower() for flag in answer.headers["Set-Cookie"].split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/", f"max-age={limits.LOGIN_SECONDS}"} <= flags
    assert "secure" not in flags  # plain HTTP here


@pytest.mark.gen_test
async def test_the_cookie_is_secure_where_the_public_address_is(https_site: Site) -> None:
    response = await https_site.client().raw(
        "POST", "/api/auth/register", {"email": "a@example.com", "password": PASSWORD}
    )
    assert "Secure" in response.headers["Set-Cookie"]


@pytest.mark.gen_test
async def test_a_header_counts_before_the_cookie(site: Site) -> None:
    cookie = await site.cookie()
    token = await site.token()
    own = await site.client("ai_assistant", cookie=cookie).get("/api/auth/me")
    assert own.body["email"] == "user1@example.com" and own.headers["Set-Cookie"]
    other = await site.client(cookie=cookie, token=token).get("/api/auth/me")
    assert other.data["email"] == "user2@example.com"
    daily = other.data["quota"]["daily"]
    assert daily == {"used": 0, "limit": 50, "resets_at": daily["resets_at"]}


@pytest.mark.gen_test
async def test_who_signs_out_is_out(site: Site) -> None:
    token = await site.token()
    client = site.client(token=token)
    answer = await client.post("/api/auth/logout", {})
    assert answer.body["message"] and answer.body["timestamp"]
    cleared = parsedate_to_datetime(re.findall("expires=([^;]+)", answer.headers["Set-Cookie"])[0])
    assert cleared < datetime.now(UTC)
    assert (await client.get("/api/users/me", status=401)).code == "AUTHENTICATION_FAILED"


@pytest.mark.gen_test
async def test_a_refresh_token_is_exchanged_once(site: Site) -> None:
    refresh = (await site.register())["data"]["tokens"]["refreshToken"]
    fresh = await site.client().post("/api/auth/refresh", {"refreshToken": refresh})
    assert fresh.data["tokens"]["refreshToken"] != refresh
    await site.client().post("/api/auth/refresh", {"refreshToken": refresh}, status=401)


@pytest.mark.gen_test
async def test_credentials_in_the_query_are_taken_below_v1_alone(site: Site) -> None:
    token = await site.token()
    assert (await site.client("ai_aggregator").get(f"/v1/models?token={token}")).body["models"]
    await site.client("ai_aggregator").get(f"/v1/models?api_key={token}")
    await site.client().get(f"/api/users/me?token={token}", status=401)
    await site.client().get("/api/users/me", headers={"X-API-Key": token})


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xef\xbb\xbf{}", b'{"email":1,"email":2}', b'{"a":NaN}', b"[" * 100_000, b'{"a":"\\ud800"}'],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_no_plain_json_is_400(site: Site, body: bytes) -> None:
    answer = await site.client().post("/api/auth/login", body, status=400)
    assert answer.code == "VALIDATION_ERROR"


@pytest.mark.gen_test
@pytest.mark.parametrize("value", [None, True, 1, 1.5, [], {}, {"$gt": ""}, "no-address"])
async def test_a_wrong_type_is_named_and_never_a_login(site: Site, value: Any) -> None:
    body = {"email": value, "password": PASSWORD}
    hub = await site.client().post("/api/auth/login", body, status=422)
    assert hub.body["error"]["details"][0]["field"] == "email"
    at_assistant = {"Host": "localhost:8000"}
    other = await site.client("ai_assistant").post("/api/auth/login", body, status=400, headers=at_assistant)
    assert other.code == "INVALID_INPUT" and other.body["error"]["details"]["field"] == "email"


@pytest.mark.gen_test
async def test_every_field_refuses_every_wrong_type_by_name(site: Site) -> None:
    good = {"email": "a@example.com", "password": PASSWORD, "firstName": "A", "lastName": "B", "username": "abc99"}
    for field in good:
        for value in (None, True, 7, 1.5, ["x"], {"$ne": None}):
            answer = await site.client().post("/api/auth/register", {**good, field: value}, status=422)
            assert [detail["field"] for detail in answer.body["error"]["details"]] == [field]
    for body in ([], "text", 7, None):
        await site.client().post("/api/auth/register", json.dumps(body).encode(), status=422)
    for name in ("_id", "user_id", "is_admin", "balance", "email_verified", "plan", "tier", "status"):
        await site.client().post("/api/auth/register", {**good, name: "x"}, status=422)


@pytest.mark.gen_test
async def test_all_failures_are_told_at_once_and_no_secret_is_shown(site: Site) -> None:
    body = {"email": "nobody", "password": "x" * 2_000, "role": "admin", "credits": 5}
    answer = await site.client().post("/api/auth/register", body, status=422)
    assert {detail["field"] for detail in answer.body["error"]["details"]} == {"email", "password", "role", "credits"}
    at_assistant = {"Host": "localhost:8000"}
    body = {"email": "a@example.com", "password": "x" * 2_000}
    other = await site.client("ai_assistant").post("/api/auth/login", body, status=400, headers=at_assistant)
    assert other.body["error"]["details"]["field"] == "password" and "value" not in other.body["error"]["details"]


@pytest.mark.gen_test
async def test_bodies_must_be_json_and_plain(site: Site) -> None:
    body = json.dumps({"email": "a@example.com", "password": PASSWORD}).encode()
    client = site.client()
    await client.post("/api/auth/login", body, status=400, headers={"Content-Type": "text/plain"})
    await client.post("/api/auth/login", gzip.compress(body), status=400, headers={"Content-Encoding": "gzip"})
    await client.post(
        "/api/auth/login", b"a=1", status=400, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )


@pytest.mark.gen_test
async def test_a_body_beyond_the_bound_is_413_and_the_connection_closed(site: Site) -> None:
    for size in (limits.BODY_BYTES_MAX + 1, limits.COMPLETION_BODY_BYTES_MAX + 1):
        answer = await site.client().post("/api/auth/login", b"[" + b" " * (size - 2) + b"]", status=413)
        assert answer.code == "VALIDATION_ERROR"
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    body = b" " * (limits.BODY_BYTES_MAX + 1)
    writer.write(b"POST /v1/models HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    got = await reader.read()
    assert got.startswith(b"HTTP/1.1 413 ") and b"INVALID_REQUEST" in got
    writer.close()


@pytest.mark.gen_test
async def test_an_endless_chunked_body_is_cut_off(site: Site) -> None:
    """How far it comes is for the buffers of both ends to say; that it comes to an end is for the hub."""
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    sent, endless = 0, 64 << 20
    with contextlib.suppress(ConnectionError):
        while sent < endless:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    assert sent < endless
    writer.close()


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 2\r\nContent-Length: 3\r\n",
        b"Content-Length: +2\r\n",
        b"X-A: 1\rX-B: 2\r\n",
    ],
)
async def test_smuggled_lengths_end_the_connection(site: Site, head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n{}")
    assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
    writer.close()


@pytest.mark.gen_test
async def test_unknown_paths_and_methods_answer_in_the_dialect_of_their_prefix(site: Site) -> None:
    client = site.client()
    assert (await client.get("/nowhere", status=404)).code == "RESOURCE_NOT_FOUND"
    nowhere = await client.get("/v1/nowhere", status=404, dialect="ai_aggregator")
    assert (nowhere.code, nowhere.body["error"]["message"]) == ("NOT_FOUND", "There is nothing at this address")
    assert (await client.get("/api/v1/ai/x", status=404, dialect="ai_playground")).code == "NOT_FOUND"
    await client.get("/api/projects/7/x", status=404, dialect="ai_assistant")
    await client.get("/v1elsewhere", status=404)
    at_assistant = {"Host": "localhost:8000"}
    await client.get("/v1/nowhere", status=404, dialect="ai_assistant", headers=at_assistant)
    refused = await client.request("DELETE", "/api/users/me", status=405)
    assert "GET" in refused.headers["Allow"]
    await client.request("PUT", "/v1/models", status=405, dialect="ai_aggregator")


@pytest.mark.gen_test
async def test_errors_below_v1_carry_both_forms(site: Site) -> None:
    error = (await site.client("ai_aggregator").get("/v1/models", status=401)).body["error"]
    assert error["code"] == "UNAUTHORIZED" and error["type"] == "authentication_error" and error["param"] is None


@pytest.mark.gen_test
async def test_a_database_that_breaks_off_is_503(site: Site, mongod_uri: str) -> None:
    client = site.client(token=await site.token())
    await client.get("/api/users/me")  # the identity is known from here on
    async with fail_point(mongod_uri, "alwaysOn", ["find"], at_least=2, closeConnection=True):  # the driver tries twice
        answer = await client.get("/api/credits/balance", status=503)
    assert answer.code == "SERVICE_UNAVAILABLE" and "mongo" not in str(answer.body).lower()
    await client.get("/api/credits/balance")


# --- credits, models, streams ----------------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_the_balance_and_its_history_in_both_forms(site: Site) -> None:
    token = await site.token()
    hub, assistant = site.client(token=token), site.client("ai_assistant", token=token)
    at_assistant = {"Host": "localhost:8000"}
    assert (await hub.get("/api/credits/balance")).data["balance"] == 10
    balance = (await assistant.get("/api/credits/balance", headers=at_assistant)).body
    assert balance["currency"] == "USD" and balance["last_purchase"] is None
    history = await hub.get("/api/credits/history?page=1&limit=20")
    assert [(entry["type"], entry["amount"], entry["balance"]) for entry in history.data] == [("bonus", 10, 10)]
    assert history.body["pagination"] == {
        "page": 1,
        "limit": 20,
        "total": 1,
        "totalPages": 1,
        "hasNext": False,
        "hasPrev": False,
    }
    listed = (await assistant.get("/api/credits/history", headers=at_assistant)).body
    assert (listed["total"], listed["limit"], listed["offset"]) == (1, 50, 0)
    assert listed["transactions"][0]["amount"] == 10


@pytest.mark.gen_test
async def test_the_history_can_be_narrowed_down(site: Site) -> None:
    client = site.client(token=await site.token())
    for query, count in [
        ("type=usage", 0),
        ("type=bonus", 1),
        ("start_date=2020-01-01&end_date=2020-12-31", 0),
        ("startDate=2020-01-01", 1),
        ("end_date=2020-01-01T00:00:00Z", 0),
        ("limit=1000000000", 1),
    ]:
        assert (await client.get(f"/api/credits/history?{query}")).body["pagination"]["total"] == count, query
    for query in ("type=$gt", "limit=0", "limit=-1", "limit=1e3", "page=x", "start_date=soon", "limit=1&limit=2"):
        await client.get(f"/api/credits/history?{query}", status=422)


@pytest.mark.gen_test
async def test_models_in_each_form(site: Site) -> None:
    token = await site.token()
    hub = (await site.client(token=token).get("/api/mcp/models")).data
    assert hub[0]["pricing"] == {"inputTokens": 0.00003, "outputTokens": 0.00006} and hub[0]["sandbox"] is True
    aggregator = site.client("ai_aggregator", token=token)
    listed = (await aggregator.get("/v1/models")).body
    assert listed["object"] == "list" and listed["data"][0]["object"] == "model"
    assert listed["models"][0]["costPerToken"] == 0.00003
    assert (await aggregator.get("/v1/models/gpt-4")).body["id"] == "gpt-4"
    await aggregator.get("/v1/models/none", status=404)


@pytest.mark.gen_test
async def test_each_model_of_the_catalogue_has_the_documented_fields_and_openais(site: Site) -> None:
    client, catalogue = site.client("ai_aggregator", token=await site.token()), site.services.catalogue
    listed = (await client.get("/v1/models")).body
    assert [shown["id"] for shown in listed["models"]] == [shown["id"] for shown in listed["data"]] == list(catalogue)
    for model, shown, openais in zip(catalogue.values(), listed["models"], listed["data"], strict=True):
        documented = {
            "name": model.name,
            "provider": {"openai": "OpenAI", "anthropic": "Anthropic", "minimax": "MiniMax"}[model.provider],
            "status": "available",
            "costPerToken": model.input_price / 10**12,
            "maxTokens": model.output_tokens_max,
        }
        assert documented.items() <= shown.items()
        assert {"object": "model", "created": 0, "owned_by": model.provider}.items() <= openais.items()
        one = (await client.get(f"/v1/models/{model.id}")).body
        assert one == {"success": True, **shown, **openais}


@pytest.mark.gen_test
async def test_nobody_reads_a_stream_that_is_not_there(site: Site) -> None:
    client = site.client(token=await site.token())
    await client.get("/api/streams/stream_0", status=404)
    await client.get("/api/streams/stream_0?after=-1", status=422)


# --- health, the page and its files -----------------------------------------------------------------------------------


@pytest.mark.gen_test
async def test_health_and_readiness(site: Site) -> None:
    health = await site.client("ai_assistant").get("/api/health")
    assert health.body["status"] == "healthy" and set(health.body) == {"status", "version", "timestamp"}
    await site.client().get("/readyz")
    site.application.draining = True
    await site.client().get("/readyz", status=503)
    figures = await site.client().raw("GET", "/metrics")
    assert b'hub_requests_total{api="ai_assistant",status="200"}' in figures.body


@pytest.mark.gen_test
async def test_the_page_allows_its_one_inline_script_by_hash(site: Site) -> None:
    response = await site.client().raw("GET", "/")
    assert response.code == 200 and b'<div id="app">' in response.body
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self' 'sha256-" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.gen_test
async def test_files_are_served_from_the_folder_alone(site: Site) -> None:
    script = await site.client().raw("GET", "/static/app.js")
    assert script.headers["Content-Type"].startswith("text/javascript") and script.headers["Etag"]
    again = await site.client().raw("GET", "/static/app.js", None, {"If-None-Match": script.headers["Etag"]})
    assert again.code == 304
    for path in ("../run.py", "%2e%2e/setup.cfg", "js/../../setup.cfg", "..%2fsetup.cfg", ".hidden", "js", "%00"):
        response = await site.client().raw("GET", f"/static/{path}")
        assert response.code in (403, 404), path


@pytest.mark.gen_test
async def test_request_ids_are_echoed_when_they_are_harmless(site: Site) -> None:
    token = await site.token()
    client = site.client(token=token)
    assert (await client.get("/api/users/me", headers={"X-Request-ID": "req-7"})).headers["X-Request-ID"] == "req-7"
    answer = await client.get("/api/users/me", headers={"X-Request-ID": "a b<script>"})
    assert answer.headers["X-Request-ID"].startswith("req_")
