"""Documents that come in as files: what is taken, what is refused, and that nothing is left of what breaks off."""

import asyncio
import random
from pathlib import Path
from typing import Any, Final

import pytest

from config import assistant, limits
from models.clock import now
from tests.http_streams import abort_all, ask, send
from tests.integration.analyser.analyst import ANALYSES, ANALYZE, FORM, Analyst, described, form, part, upload
from tests.length import length
from tests.patience import until
from tests.site import Site

_ZIP: Final = b"PK\x03\x04\x14\x00\x00\x00"
_NO_TEXT: Final = {
    "a ZIP archive": _ZIP + b"\x00" * 60,
    "a workbook": _ZIP + b"[Content_Types].xml",
    "an empty archive": b"PK\x05\x06" + bytes(18),
    "an old Office document": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(60),
    "a PDF": b"%PDF-1.7\n%\xe2\xe3",
    "a PNG": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\xc3P\x00\x00\xc3P",
    "a packed file": b"\x1f\x8b\x08\x00" + bytes(20),
    "a program": b"\x7fELF\x02\x01\x01" + bytes(20),
    "a program of Windows": b"MZ\x90\x00",
    "a script": b"#!/bin/sh\nrm -rf /\n",
    "a page": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
    "a page after a comment": b"\xef\xbb\xbf \n<!-- x -->\n<HTML><body>",
    "a picture with scripts": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "laughs by the billion": b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">]><lolz>&lol;</lolz>',
    "an entity of the system's": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "UTF-16": b"\xff\xfe{\x00}\x00",
    "Latin-1": b'{"openapi": "3.0.3", "info": {"title": "Men\xfc"}}',
    "half a character": b'{"openapi": "3.0.3"}\xc3',
    "control characters": b'{"openapi": "\x003.0.3"}',
}
_NAMES: Final = ("../../x", "a\x01.pdf", "CON", "x" * 300, "..\\..\\y.json", "/etc/passwd", "ü\u202egnp.json")


def _files(folder: Path) -> list[Path]:
    """All but mails."""
    return sorted(path for path in folder.rglob("*") if "outbox" not in path.parts)


@pytest.mark.gen_test
async def test_a_file_is_analysed(site: Site) -> None:
    analyst = await Analyst.at(site)
    started = (await analyst.sends(upload(described(), filename="../../api\x7f.json", kind="image/png"))).body
    assert started["status"] == "processing" and started["estimated_time_seconds"] > 0
    found = await analyst.ended(started["analysis_id"])
    assert (found["status"], found["error"], found["file_name"]) == ("completed", None, "api.json")
    assert [(each["method"], each["path"]) for each in found["results"]["endpoints"]] == [
        ("GET", "/users0"),
        ("GET", "/users1"),
    ]
    assert await analyst.kept() == (1, 1), "the document goes when its results are there"


@pytest.mark.gen_test
async def test_what_is_no_text_is_refused_whatever_it_is_called(site: Site) -> None:
    analyst = await Analyst.at(site)
    for what, content in _NO_TEXT.items():
        answer = await analyst.sends(upload(content, filename="openapi.json", kind="application/json"), 400)
        assert answer.body["error"]["details"]["field"] == "file", what
        assert "must be text" in answer.body["error"]["message"], what
    tail = described() + b" " * 300_000
    for late in (b"\xff", b"\x00"):
        assert (await analyst.sends(upload(tail + late), 400)).body["error"]["details"]["field"] == "file"
    assert await analyst.kept() == (0, 0)


@pytest.mark.gen_test
async def test_a_name_is_never_a_path(site: Site, tmp_path: Path) -> None:
    analyst = await Analyst.at(site)
    before = _files(tmp_path)
    shown = set()
    for name in _NAMES[: assistant.ANALYSES_RUNNING_PER_USER_MAX]:
        analysis_id = (await analyst.sends(upload(described(), filename=name))).body["analysis_id"]
        assert analysis_id.startswith("analysis_")
        shown.add((await analyst.ended(analysis_id))["file_name"])
    for name in _NAMES[assistant.ANALYSES_RUNNING_PER_USER_MAX :]:
        shown.add(
            (await analyst.ended((await analyst.sends(upload(described(), filename=name))).body["analysis_id"]))[
                "file_name"
            ]
        )
    assert shown == {"x", "a.pdf", "CON", "x" * 200, "y.json", "passwd", "ügnp.json"}
    assert _files(tmp_path) == before


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("body", "headers", "field"),
    [
        (form(part("format", b"auto")), FORM, "file"),
        (upload(b""), FORM, "file"),
        (upload(described(), "word"), FORM, "format"),
        (upload(described(), "x" * 1_000), FORM, "format"),
        (form(part("file", described()), part("file", described())), FORM, "file"),
        (form(part("file", described()), part("source_url", b"http://a.de")), FORM, "source_url"),
        (form(), FORM, "file"),
        (upload(described())[:-4], FORM, None),
        (upload(described()), {"Content-Type": "multipart/form-data"}, None),
        (upload(described()), {"Content-Type": "multipart/form-data; boundary=other"}, None),
        (b"a: 1", {"Content-Type": "application/yaml"}, None),
        (form(part("file\r\nX-A: " + "b" * 10_000, b"1")), FORM, None),
        (form(*(part("format", b"auto") for _ in range(50))), FORM, "format"),
    ],
)
async def test_a_wrong_form_is_refused_by_its_field(
    site: Site, body: bytes, headers: dict[str, str], field: str | None
) -> None:
    analyst = await Analyst.at(site)
    error = (await analyst.sends(body, 400, headers)).body["error"]
    assert error["code"] == "INVALID_INPUT" and error.get("details", {}).get("field") == field, error
    assert await analyst.kept() == (0, 0)


@pytest.mark.gen_test
async def test_no_file_is_larger_than_allowed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    analyst = await Analyst.at(site)
    most = assistant.ANALYSIS_UPLOAD_BYTES_MAX
    largest = described().ljust(most)
    assert (await analyst.sends(upload(largest))).body["analysis_id"]
    assert (await analyst.sends(upload(largest + b" "), 413)).code == "INVALID_INPUT"
    assert (await analyst.sends(upload(largest + b" " * 100_000), 413)).code == "INVALID_INPUT"
    text = b'{"source_type": "url"}'.ljust(limits.BODY_BYTES_MAX + 1)
    assert (await analyst.client.post(ANALYZE, text, status=413)).code == "INVALID_INPUT"
    chunks = b"".join(b"10000\r\n" + b" " * 65_536 + b"\r\n" for _ in range(20)) + b"0\r\n\r\n"
    chunked = {"Transfer-Encoding": "chunked", "Content-Type": "application/json"}
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    head = "".join(
        f"{name}: {value}\r\n" for name, value in {**chunked, "Authorization": f"Bearer {analyst.token}"}.items()
    )
    writer.write(f"POST {ANALYZE} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + chunks)
    assert b" 413 " in await reader.readline()
    writer.close()
    assert await analyst.kept() == (1, 1)


@pytest.mark.gen_test
async def test_who_may_not_is_told_after_the_body(site: Site) -> None:
    body = upload(described().ljust(2 << 20))
    for token, status in ((None, 401), ("x", 401)):
        response = await ask(site.port, "POST", ANALYZE, token=token, body=body, headers=FORM)
        assert response.status == status
        await response.json()
    small = await ask(site.port, "POST", ANALYZE, body=upload(described()), headers=FORM)
    assert small.status == 401
    await abort_all()


@pytest.mark.gen_test
async def test_a_user_has_no_more_than_allowed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "ANALYSES_RUNNING_PER_USER_MAX", 3)
    monkeypatch.setattr(assistant, "ANALYSES_PER_USER_MAX", 4)
    analyst, other = await Analyst.at(site), await Analyst.at(site)
    await site.services.analyser.analyses.close()  # so that they stay under way
    answers = await asyncio.gather(*(_outcome(analyst) for _ in range(8)))
    assert sorted(answers) == [200] * 3 + [429] * 5
    assert await _outcome(other) == 200
    assert await analyst.kept() == (4, 4)
    await site.services.database["analyses"].update_many({"user": analyst.user}, {"$set": {"status": "failed"}})
    assert [await _outcome(analyst) for _ in range(2)] == [200, 413]
    (newest, *_) = (await analyst.client.get(ANALYSES)).body["analyses"]
    await analyst.client.request("DELETE", f"{ANALYSES}/{newest['id']}", status=200)
    assert await _outcome(analyst) == 200


async def _outcome(analyst: Analyst) -> int:
    response = await ask(
        analyst.site.port, "POST", ANALYZE, token=analyst.token, body=upload(described()), headers=FORM
    )
    body: Any = await response.json()
    assert response.status == 200 or "analyse" in body["error"]["message"], body
    return response.status


@pytest.mark.gen_test
async def test_uploads_that_break_off_leave_nothing(site: Site, tmp_path: Path) -> None:
    analyst, chance = await Analyst.at(site), random.Random(7)
    body = upload(described().ljust(600_000))
    before = _files(tmp_path)
    for _ in range(length(100, 1_000)):
        sent = chance.randrange(1, len(body))
        headers = FORM | {"Content-Length": str(len(body))}
        connection = await send(site.port, "POST", ANALYZE, token=analyst.token, headers=headers)
        connection.writer.write(body[:sent])
        await connection.writer.drain()
        connection.reset()
    await abort_all()
    await until(lambda: site.application.bodies.arriving_bytes == 0)  # the hub hears of the last reset in its own time
    assert (await analyst.client.get(ANALYSES)).body["analyses"] == []
    assert await analyst.kept() == (0, 0)
    assert _files(tmp_path) == before
    assert (await analyst.ended((await analyst.sends(body)).body["analysis_id"]))["status"] == "completed"


@pytest.mark.gen_test
async def test_what_a_killed_hub_left_is_swept(site: Site) -> None:
    """It had written a document, and not yet that there is one."""
    analyst, parts = await Analyst.at(site), site.services.database["analysis_parts"]
    await analyst.ended((await analyst.sends(upload(described()))).body["analysis_id"])
    long_ago = now().replace(year=2020)
    left = {"number": 0, "data": b"x", "loose": True, "expires_at": now().replace(year=2099)}
    await parts.insert_one({"_id": "analysis_left:0", **left, "created_at": long_ago})
    await parts.insert_one({"_id": "analysis_new:0", **left, "created_at": now()})
    await site.services.analyser.analyses.sweep()
    assert [part["_id"] for part in await parts.find({"loose": True}, limit=9)] == ["analysis_new:0"]
    assert (await analyst.kept())[1] == 2
