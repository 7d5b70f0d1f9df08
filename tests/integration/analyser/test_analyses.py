"""Analyses as jobs: asked for, made by whichever process is free, told, exported and removed."""

import asyncio
import contextlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import openpyxl
import pytest

from config import assistant, limits
from hub.analyser import jobs
from hub.analyser.child_process import ChildFailed, Children
from hub.errors import HubError
from models import analyses as stored
from models.clock import now
from tests.integration.analyser.analyst import ANALYSES, Analyst, described, upload
from tests.patience import until, within
from tests.site import Site
from tests.stand_ins import document_server as servers
from tests.stand_ins.document_server import DocumentServer
from tests.ws_client import Client

XLSX: Final = "/api/doc-analyzer/export/xlsx"
SHEETS: Final = "/api/doc-analyzer/export/sheets"
_CHILDREN: Final = Path(__file__).parent / "children"


@pytest.mark.gen_test
async def test_an_analysis_is_listed_shown_exported_and_removed(fetching_site: Site, documents: DocumentServer) -> None:
    analyst, other = await Analyst.at(fetching_site), await Analyst.at(fetching_site)
    url = documents.give("/openapi.json", servers.document(described(3)))
    first = await analyst.analysed(url, format="openapi3")
    second = await analyst.ended((await analyst.sends(upload(b'{"openapi": '))).body["analysis_id"])
    assert (first["source_type"], first["source_url"], first["format"]) == ("url", url, "openapi3")
    assert second["status"] == "failed" and second["error"]["message"] and second["results"] is None

    page = (await analyst.client.get(f"{ANALYSES}?limit=1")).body
    assert (page["total"], page["limit"], page["offset"]) == (2, 1, 0)
    assert page["analyses"] == [{name: value for name, value in second.items() if name != "results"}]
    assert (await analyst.client.get(f"{ANALYSES}?offset=1")).body["analyses"][0]["id"] == first["id"]
    assert (await other.client.get(ANALYSES)).body["analyses"] == []

    answer = await analyst.client.raw("POST", XLSX, {"analysis_id": first["id"], "include_examples": True})
    assert answer.code == 200, answer.body
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{first["id"]}.xlsx"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    book = openpyxl.load_workbook(io.BytesIO(answer.body))
    assert book.sheetnames == ["Endpoints", "Schemas", "Security"] and book["Endpoints"].max_row == 4

    assert (await analyst.client.post(XLSX, {"analysis_id": second["id"]}, status=409)).code == "RESOURCE_CONFLICT"
    told = (await analyst.client.post(SHEETS, {"analysis_id": first["id"]}, status=503)).body["error"]["message"]
    assert "GOOGLE_CLIENT_ID" in told
    await other.client.post(XLSX, {"analysis_id": first["id"]}, status=404)
    await other.client.get(f"{ANALYSES}/{first['id']}", status=404)
    await other.client.request("DELETE", f"{ANALYSES}/{first['id']}", status=404)

    for each in (first, second):
        await analyst.client.request("DELETE", f"{ANALYSES}/{each['id']}", status=200)
        await analyst.client.get(f"{ANALYSES}/{each['id']}", status=404)
    assert await analyst.kept() == (0, 0)


@pytest.mark.gen_test
async def test_only_so_many_exports_wait(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "EXPORTS_WAITING_MAX", 0)
    analyst = await Analyst.at(site)
    analysis_id = (await analyst.sends(upload(described()))).body["analysis_id"]
    await analyst.ended(analysis_id)
    exports = [analyst.client.raw("POST", XLSX, {"analysis_id": analysis_id}) for _ in range(6)]
    answers = await asyncio.gather(*exports)
    codes = sorted(answer.code for answer in answers)
    assert codes == [200] * assistant.EXPORTS_AT_ONCE + [503] * (6 - assistant.EXPORTS_AT_ONCE)
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in answers if answer.code == 503)


@pytest.mark.gen_test
async def test_its_end_is_told_as_an_event(site: Site) -> None:
    analyst = await Analyst.at(site)
    socket = await Client.open(site.port)
    await socket.request("connect", token=analyst.token)
    good = (await analyst.sends(upload(described()))).body["analysis_id"]
    event = (await socket.event("analysis.completed"))["event"]["data"]
    assert (event["analysis_id"], event["status"]) == (good, "completed")
    bad = (await analyst.sends(upload(b"["))).body["analysis_id"]
    event = (await socket.event("analysis.failed"))["event"]["data"]
    assert (event["analysis_id"], event["status"]) == (bad, "failed") and event["error"]["message"]
    Client.abort_all()


@pytest.mark.gen_test
async def test_a_document_that_is_more_than_a_child_can_take_ends_the_child_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    analyst = await Analyst.at(site)
    children = {
        "swallows": "This document needs more than 512 MiB of memory",
        "floods": "What comes of this document is larger than 16 MiB",
        "dies": "This document could not be analysed",
        "raves": "This document could not be analysed",
    }
    for name, told in children.items():
        monkeypatch.setattr(jobs, "_CHILD", f"tests.integration.analyser.children.{name}")
        async with within(6.0):
            found = await analyst.ended((await analyst.sends(upload(described()))).body["analysis_id"])
        assert (found["status"], found["error"]["message"]) == ("failed", told), name
    monkeypatch.setattr(jobs, "_CHILD", "tests.integration.analyser.children.hangs")
    monkeypatch.setattr(assistant, "ANALYSIS_CHILD_CLOCK_SECONDS_MAX", 1)
    async with within(10.0):
        hung = await analyst.ended((await analyst.sends(upload(described()))).body["analysis_id"])
    assert hung["error"]["message"] == "This document was not analysed within 1 seconds"
    kept = await site.services.database["analyses"].find_one({"_id": hung["id"]})
    assert kept is not None and kept["attempts"] == assistant.ANALYSIS_ATTEMPTS_MAX, "a busy machine is no fault of its"
    assert not list(_running())


def _running() -> Iterator[str]:
    """Processes of children that are still there."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it may end meanwhile
            command = Path("/proc", name, "cmdline").read_bytes()
            if b"analyser.children" in command:
                yield command.decode()


@pytest.mark.gen_test
async def test_a_child_has_limits_and_nothing_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children = Children(tmp_path)
    monkeypatch.setenv("HUB_JWT_SECRET", "CANARY")
    told = await children.run("tests.integration.analyser.children.tells", given=b"x", answer_bytes_max=4_096)
    memory, cpu, core, written, files, session, environment, file_made = told.decode().split("\n", 7)
    assert (memory, cpu, core, written) == (str(512 << 20), str(20), "0", "0")
    assert int(files) <= 64 and session == "True" and file_made == "False"
    assert "CANARY" not in environment and "HOME" not in environment
    with pytest.raises(ChildFailed, match="seconds"):
        monkeypatch.setattr(assistant, "ANALYSIS_CHILD_CLOCK_SECONDS_MAX", 0.2)
        await children.run("tests.integration.analyser.children.hangs", given=b"x" * 10_000_000, answer_bytes_max=9)


@pytest.mark.gen_test
async def test_the_hub_answers_while_documents_are_analysed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as are analysed at once, each of which keeps a processor busy."""
    monkeypatch.setattr(jobs, "_CHILD", "tests.integration.analyser.children.toils")
    analyst, completed = await Analyst.at(site), site.services.database["analyses"]
    ids = [(await analyst.sends(upload(described()))).body["analysis_id"] for _ in range(assistant.ANALYSES_AT_ONCE)]
    answered = 0
    while await completed.count({"status": "completed"}) < len(ids):
        async with within(0.3):
            await analyst.client.get("/api/health")
        answered += 1
    assert answered > 20


@pytest.fixture
def two_nodes(serve: Callable[..., Site]) -> tuple[Site, Site]:
    secret = {"HUB_JWT_SECRET": "of both nodes, so that a token is good on either of them"}
    return serve(HUB_RATE_LIMITS="off", **secret), serve(HUB_RATE_LIMITS="off", **secret)


@pytest.mark.gen_test
async def test_another_node_takes_up_what_a_dead_one_left(two_nodes: tuple[Site, Site]) -> None:
    """Its claim ends; and what it says later, for it was not dead after all, counts no more."""
    here, there = two_nodes
    analyst, collection = await Analyst.at(here), here.services.database["analyses"]
    for node in two_nodes:
        await node.services.analyser.analyses.close()
    analysis_id = (await analyst.sends(upload(described()))).body["analysis_id"]
    late = await here.services.analyser.analyses._claim()
    assert late is not None and late["_id"] == analysis_id
    assert await there.services.analyser.analyses._claim() is None
    await collection.update_one({"_id": analysis_id}, {"$set": {"due_at": now() - timedelta(seconds=1)}})
    taken = await there.services.analyser.analyses._claim()
    assert taken is not None and taken["attempts"] == 2
    await there.services.analyser.analyses._attempt(taken)
    await here.services.analyser.analyses._end(late, {"status": "failed", "error": {"message": "late"}})
    found = await analyst.ended(analysis_id)
    assert (found["status"], len(found["results"]["endpoints"])) == ("completed", 2)
    events = await here.services.database["events"].find({"type": {"$regex": "^analysis"}}, limit=9)
    assert [event["type"] for event in events] == ["analysis.completed"]


@pytest.mark.gen_test
async def test_a_document_that_ends_the_hub_does_so_three_times_at_most(site: Site) -> None:
    analyst, collection = await Analyst.at(site), site.services.database["analyses"]
    analyses = site.services.analyser.analyses
    await analyses.close()
    analysis_id = (await analyst.sends(upload(described()))).body["analysis_id"]
    for _ in range(assistant.ANALYSIS_ATTEMPTS_MAX + 1):
        await collection.update_one({"_id": analysis_id}, {"$set": {"due_at": now() - timedelta(seconds=1)}})
        claimed = await analyses._claim()
    assert claimed is not None
    await analyses._attempt(claimed)
    found = await analyst.ended(analysis_id)
    assert found["status"] == "failed" and "interrupted" in found["error"]["message"]


@pytest.mark.gen_test
async def test_one_that_is_removed_while_it_is_made_ends_on_whichever_node(
    two_nodes: tuple[Site, Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its child; and only then may its user have another in its place."""
    monkeypatch.setattr(jobs, "_CHILD", "tests.integration.analyser.children.hangs")
    monkeypatch.setattr(assistant, "ANALYSES_RUNNING_PER_USER_MAX", 1)
    here, there = two_nodes
    analyst, elsewhere = await Analyst.at(here), there.services.analyser.analyses
    await elsewhere.close()

    async def sent() -> str:
        return str((await analyst.sends(upload(described()))).body["analysis_id"])

    async def is_gone() -> bool:
        return await analyst.kept() == (0, 0)

    monkeypatch.setattr(assistant, "ANALYSIS_RENEW_SECONDS", 60)
    first = await sent()
    await until(lambda: any(_running()))
    await analyst.client.request("DELETE", f"{ANALYSES}/{first}", status=200)
    await analyst.client.get(f"{ANALYSES}/{first}", status=404)
    await until(is_gone)
    assert not list(_running())

    monkeypatch.setattr(assistant, "ANALYSIS_RENEW_SECONDS", 0.5)
    second = await sent()
    await until(lambda: any(_running()))
    assert (await analyst.client.post(XLSX, {"analysis_id": second}, status=409)).code == "RESOURCE_CONFLICT"
    await elsewhere.remove(analyst.user, second)
    await analyst.client.request("DELETE", f"{ANALYSES}/{second}", status=404)
    assert (await analyst.client.get(ANALYSES)).body["total"] == 0
    refused = await analyst.sends(upload(described()), 429)
    assert refused.code == "RATE_LIMIT_EXCEEDED" and int(refused.headers["Retry-After"]) > 0
    await until(is_gone)
    assert not list(_running())
    assert await here.services.database["events"].count({"type": {"$regex": "^analysis"}}) == 0


@pytest.mark.gen_test
async def test_what_was_swept_before_it_was_named_is_never_told_as_done(site: Site) -> None:
    """As after a stall between the two, or by a clock that goes wrong."""
    analyst, analyses = await Analyst.at(site), site.services.analyser.analyses
    await analyses.close()
    analysis_id = (await analyst.sends(upload(described()))).body["analysis_id"]
    claimed = await analyses._claim()
    assert claimed is not None
    count = await _kept_results(site, claimed, b"{}")
    await stored.sweep(site.services.database, now() + timedelta(hours=1))
    await analyses._end(claimed, {"status": "completed", "results_parts": count}, (claimed["claim"], count))
    assert (await analyst.client.get(f"{ANALYSES}/{analysis_id}")).body["status"] == "processing"
    assert await analyst.kept() == (1, 1), "its document is there for another attempt"


@pytest.mark.gen_test
async def test_answers_that_nobody_reads_do_not_fill_the_memory(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    analyst, answers = await Analyst.at(site), site.services.analyser.answers
    analysis_id = (await analyst.sends(upload(described()))).body["analysis_id"]
    await analyst.ended(analysis_id)
    database, size = site.services.database, 8_000_000
    analysis = await database["analyses"].find_one({"_id": analysis_id})
    assert analysis is not None and analysis["results_bytes"] > 100
    await stored.remove_parts(database, analysis["claim"], analysis["results_parts"])
    count = await _kept_results(site, analysis, b'"' + b"x" * size + b'"')
    change = {"$set": {"results_parts": count, "results_bytes": size}}
    await database["analyses"].update_one({"_id": analysis_id}, change)
    monkeypatch.setattr(assistant, "ANSWERS_USER_BYTES_MAX", size + 1)
    assert len((await analyst.client.get(f"{ANALYSES}/{analysis_id}")).body["results"]) == size
    monkeypatch.setattr(limits, "WRITE_SECONDS_MAX", 1.0)
    sleeper = await _asks_and_sleeps(site.port, f"{ANALYSES}/{analysis_id}", analyst.token)
    await until(lambda: answers._held.total() > 0)
    refused = await analyst.client.get(f"{ANALYSES}/{analysis_id}", status=429)
    assert refused.code == "RATE_LIMIT_EXCEEDED" and int(refused.headers["Retry-After"]) > 0
    other = await Analyst.at(site)
    monkeypatch.setattr(assistant, "ANSWERS_BYTES_MAX", size)
    with pytest.raises(HubError, match="Too many large answers"), answers.held(other.user, 1):
        pass
    await until(lambda: answers._held.total() == 0)  # who reads nothing is cut off
    sleeper.close()


async def _kept_results(site: Site, analysis: Any, results: bytes) -> int:
    """Results of an attempt, loose as yet; how many parts they make."""
    packed, expires_at = zlib.compress(results), analysis["expires_at"]
    return await stored.add_parts(site.services.database, analysis["claim"], packed, now(), expires_at)


async def _asks_and_sleeps(port: int, path: str, token: str) -> asyncio.StreamWriter:
    """Ask for an answer, and read nothing of it."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
    head = f"GET {path} HTTP/1.1\r\nHost: localhost:8000\r\nAuthorization: Bearer {token}\r\n\r\n"
    writer.write(head.encode())
    await writer.drain()
    return writer
