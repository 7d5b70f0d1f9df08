"""The history of conversations: listed, read, searched, renamed, taken away as a file, and deleted."""

import json
from datetime import timedelta
from functools import partial
from typing import Any, Final
from urllib.parse import quote

import pytest
from pymongo import MongoClient
from tornado.simple_httpclient import HTTPStreamClosedError

from config import assistant
from hub import history
from models.clock import now
from models.database import Document, Transaction
from models.ids import new_id
from tests.api_client import ApiClient
from tests.patience import within
from tests.site import Site

pytestmark = pytest.mark.gen_test

CHAT, HISTORY = "/api/ai/chat", "/api/history"
OWN: Final = ("id", "created_at", "model", "message_count", "last_message", "title")


class Reader:
    """Somebody with conversations."""

    def __init__(self, site: Site, token: str) -> None:
        self.site = site
        self.client: ApiClient = site.client("ai_assistant", token=token)

    async def say(self, message: str, **fields: Any) -> Any:
        return (await self.client.post(CHAT, {"message": message, "max_tokens": 5, **fields})).body

    async def ids(self, query: str = "") -> list[str]:
        return [one["id"] for one in (await self.client.get(f"{HISTORY}{query}")).body["conversations"]]


@pytest.fixture
def reader(site: Site, io_loop: Any) -> Reader:
    return Reader(site, io_loop.run_sync(site.token))


async def test_conversations_are_listed_the_last_used_first(reader: Reader) -> None:
    assert (await reader.client.get(HISTORY)).body == {"conversations": [], "total": 0, "limit": 50, "offset": 0}
    first, second = [await reader.say(f"Question {number}") for number in (1, 2)]
    answer = await reader.say("One more", conversation_id=first["conversation_id"], model="claude-3")
    listed = (await reader.client.get(HISTORY)).body
    assert [one["id"] for one in listed["conversations"]] == [first["conversation_id"], second["conversation_id"]]
    newest = listed["conversations"][0]
    shown = ("Question 1", "claude-3", 4, answer["response"][:120])
    assert tuple(newest[name] for name in ("title", "model", "message_count", "last_message")) == shown
    assert set(OWN) <= set(newest) and listed["total"] == 2
    assert await reader.ids("?limit=1&offset=1") == [second["conversation_id"]]
    stranger = Reader(reader.site, await reader.site.token())
    assert await stranger.ids() == []


async def test_one_conversation_comes_with_a_page_of_its_messages(reader: Reader) -> None:
    first = await reader.say("Question 1")
    conversation = first["conversation_id"]
    second = await reader.say("Question 2", conversation_id=conversation)
    path = f"{HISTORY}?conversation_id={conversation}"
    whole = (await reader.client.get(path)).body
    assert [one["id"] for one in whole["conversations"]] == [conversation]
    assert (whole["total"], whole["limit"], whole["offset"], whole["messages_total"]) == (1, 50, 0, 4)
    said = [(one["role"], one["content"]) for one in whole["messages"]]
    assert said == [
        *(("user", "Question 1"), ("assistant", first["response"])),
        *(("user", "Question 2"), ("assistant", second["response"])),
    ]
    answer = whole["messages"][1]
    assert (answer["id"], answer["model"], answer["status"]) == (first["message_id"], "gpt-4", "complete")
    told = ("tokens_used", "credits_consumed", "finish_reason")
    assert [answer[name] for name in told] == [first[name] for name in told]
    page = (await reader.client.get(f"{path}&limit=2&offset=1")).body
    assert page["messages"] == whole["messages"][1:3] and page["messages_total"] == 4
    for wrong in (f"{HISTORY}?conversation_id=conv_none", f"{HISTORY}?limit=0", f"{HISTORY}?offset=-1"):
        await reader.client.get(wrong, status=404 if "none" in wrong else 400)
    stranger = Reader(reader.site, await reader.site.token())
    await stranger.client.get(path, status=404)


async def test_a_page_of_long_messages_is_shorter_than_asked(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "HISTORY_PAGE_BYTES_MAX", 2_500)
    monkeypatch.setattr(assistant, "HISTORY_MESSAGES_AT_ONCE", 2)
    conversation = (await reader.say("x" * 3_000))["conversation_id"]
    for _ in range(3):
        await reader.say("y" * 1_000, conversation_id=conversation)
    found: list[Any] = []
    lengths = []
    for _ in range(8):
        query = f"?conversation_id={conversation}&offset={len(found)}"
        body = (await reader.client.get(f"{HISTORY}{query}")).body
        lengths.append(len(body["messages"]))
        found += body["messages"]
        at_the_end = len(found) == body["messages_total"]
        assert body["next_offset"] == (None if at_the_end else len(found))
        assert body["limit"] == (50 if at_the_end else lengths[-1]), "who goes on by the limit would miss some"
    assert lengths == [1, 5, 2, 0, 0, 0, 0, 0]
    assert [one["role"] for one in found] == ["user", "assistant"] * 4


async def test_a_title_is_changed_and_stays(reader: Reader) -> None:
    conversation = (await reader.say("Question"))["conversation_id"]
    path = f"{HISTORY}/{conversation}"
    for title in ("👩‍👩‍👧", "می‌خواهم", "Prix : 5 €"):  # joined, with a half-space, with no-break spaces
        await reader.client.request("PATCH", path, {"title": title}, status=200)
        assert await reader.ids(f"?search={quote(title)}") == [conversation]
    renamed = await reader.client.request("PATCH", path, {"title": "Überraschung 🎁"}, status=200)
    assert renamed.body["title"] == "Überraschung 🎁" and set(OWN) <= set(renamed.body)
    await reader.say("More", conversation_id=conversation)
    assert (await reader.client.get(HISTORY)).body["conversations"][0]["title"] == "Überraschung 🎁"
    for wrong in ("", " ", "a\nb", "a\u2028b", "a\u202eb", "\u200d", "x" * 201, 1, None):
        refused = await reader.client.request("PATCH", path, {"title": wrong}, status=400)
        assert refused.body["error"]["details"]["field"] == "title", wrong
    await reader.client.request("PATCH", path, {}, status=400)
    await reader.client.request("PATCH", f"{HISTORY}/conv_none", {"title": "A"}, status=404)
    stranger = Reader(reader.site, await reader.site.token())
    for method, body in (("PATCH", {"title": "Mine"}), ("DELETE", None)):
        await stranger.client.request(method, path, body, status=404)
    await stranger.client.get(f"{path}/export", status=404)


async def test_a_deleted_conversation_is_gone_with_its_messages(reader: Reader) -> None:
    kept, doomed = [(await reader.say(f"Question {number}"))["conversation_id"] for number in (1, 2)]
    deleted = await reader.client.request("DELETE", f"{HISTORY}/{doomed}", status=200)
    assert deleted.body["id"] == doomed and deleted.body["message"]
    await reader.client.request("DELETE", f"{HISTORY}/{doomed}", status=404)
    assert await reader.ids() == [kept]
    messages = await reader.site.services.database["messages"].find({}, limit=9)
    assert {message["conversation"] for message in messages} == {kept}
    for path in (f"{HISTORY}?conversation_id={doomed}", f"{HISTORY}/{doomed}/export"):
        await reader.client.get(path, status=404)
    await reader.client.request("PATCH", f"{HISTORY}/{doomed}", {"title": "Back"}, status=404)
    await reader.client.post(CHAT, {"message": "More", "conversation_id": doomed}, status=404)
    assert await reader.ids("?search=Question") == [kept]


async def test_what_began_while_a_conversation_was_deleted_goes_with_it(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that was admitted just before writes its messages just afterwards."""
    kept, doomed = [(await reader.say(f"Question {number}"))["conversation_id"] for number in (1, 2)]
    await reader.client.request("DELETE", f"{HISTORY}/{doomed}", status=200)
    database = reader.site.services.database
    await database["messages"].insert_one({"_id": new_id("msg"), "conversation": doomed, "content": "Late"})
    await history.sweep(database)
    assert await database["conversations"].count({}) == 2, "another may still come"
    monkeypatch.setattr(assistant, "CONVERSATION_GONE_SECONDS", -1)
    await history.sweep(database)
    for collection, name in (("conversations", "_id"), ("messages", "conversation")):
        assert {one[name] for one in await database[collection].find({}, limit=9)} == {kept}


# --- search -----------------------------------------------------------------------------------------------------


async def test_a_search_finds_titles_and_messages_in_capitals_or_not(reader: Reader) -> None:
    ids = {word: (await reader.say(f"Tell me of {word}"))["conversation_id"] for word in ("Zebras", "Äpfel", "a.c")}
    await reader.client.request("PATCH", f"{HISTORY}/{ids['Zebras']}", {"title": "Stripes [1]"}, status=200)
    for text, found in (
        *(("zebra", ["Zebras"]), ("STRIPES", ["Zebras"]), ("%5B1%5D", ["Zebras"]), ("%C3%A4PFEL", ["Äpfel"])),
        *(("a.c", ["a.c"]), (".*", []), ("%24where", []), ("tell%20me", ["a.c", "Äpfel", "Zebras"])),
    ):
        assert await reader.ids(f"?search={text}") == [ids[word] for word in found], text
    page = (await reader.client.get(f"{HISTORY}?search=tell&limit=1&offset=1")).body
    assert ([one["id"] for one in page["conversations"]], page["total"]) == ([ids["Äpfel"]], 3)
    stranger = Reader(reader.site, await reader.site.token())
    assert await stranger.ids("?search=zebra") == []
    for wrong in ("%20", "x" * 101, "a%0Ab", "a%00b", "zebra&search=b", f"zebra&conversation_id={ids['a.c']}"):
        refused = await reader.client.get(f"{HISTORY}?search={wrong}", status=400)
        assert refused.body["error"]["details"]["field"] == "search", wrong


async def test_what_programs_said_in_parts_is_found_too(reader: Reader) -> None:
    conversation = (await reader.say("Hello"))["conversation_id"]
    parts = [{"type": "text", "text": "A needle"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    which = {"conversation": conversation, "role": "user"}
    await reader.site.services.database["messages"].update_one(which, {"$set": {"content": parts}})
    assert await reader.ids("?search=NEEDLE") == [conversation]


async def test_a_search_is_bounded_and_says_nothing_of_what_it_did_not_see(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [(await reader.say(f"needle {number}"))["conversation_id"] for number in range(3)]
    assert (await reader.client.get(f"{HISTORY}?search=needle")).body["search_complete"] is True
    monkeypatch.setattr(assistant, "SEARCH_CONVERSATIONS_MAX", 2)
    cut = (await reader.client.get(f"{HISTORY}?search=needle")).body
    assert [one["id"] for one in cut["conversations"]] == ids[:0:-1] and cut["search_complete"] is False


async def test_a_search_whose_time_ends_tells_what_it_found_in_the_last_used(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest conversation was used last, and is looked into first; the others are too long for the time there is."""
    ids = [(await reader.say(f"needle {number}"))["conversation_id"] for number in range(3)]
    await reader.say("needle once more", conversation_id=ids[0])
    database = reader.site.services.database
    await database["conversations"].update_many({}, {"$set": {"title": "A title"}})
    long = {"user": "user_1", "role": "user", "status": "complete", "content": "n" * 1_000_000}
    for _ in range(40):
        await database["messages"].insert_one({"_id": new_id("msg"), "conversation": ids[1], **long})
    monkeypatch.setattr(assistant, "SEARCH_SECONDS_MAX", 0.05)
    cut = (await reader.client.get(f"{HISTORY}?search=needle")).body
    assert [one["id"] for one in cut["conversations"]] == ids[:1] and cut["search_complete"] is False


async def test_a_long_history_is_searched_in_time(reader: Reader) -> None:
    """As many conversations as it looks into, of forty thousand characters each; the whole answer within half a second."""
    user = (await reader.site.services.database["users"].find({}, limit=1))[0]["_id"]
    await _write_history(reader.site, user, 500, 40)
    async with within(0.5):
        assert len(await reader.ids("?search=needle")) == 1


async def _write_history(site: Site, user: str, count: int, of_each: int) -> None:
    database, moment, text = site.services.database, now() - timedelta(days=1), "many words of hay " * 60
    ids = [new_id("conv") for _ in range(count)]
    shown = {"user": user, "title": "A title", "model": "gpt-4", "message_count": of_each, "last_message": ""}
    conversations: list[Document] = [{"_id": one, **shown, "created_at": moment, "updated_at": moment} for one in ids]
    said = {"user": user, "role": "user", "status": "complete", "created_at": moment}
    messages: list[Document] = [
        {"_id": new_id("msg"), "conversation": one, **said, "content": text} for one in ids for _ in range(of_each)
    ]
    messages[7]["content"] += "a Needle"

    async def body(transaction: Any) -> None:
        await transaction.insert("conversations", conversations)

    async with database.new_session() as session:
        await database.transaction(body, session=session)
        for start in range(0, len(messages), 5_000):
            write = partial(_insert, messages[start : start + 5_000])
            await database.transaction(write, session=session)


async def _insert(messages: list[Document], transaction: Transaction) -> None:
    await transaction.insert("messages", messages)


# --- files ------------------------------------------------------------------------------------------------------


async def test_a_whole_conversation_is_taken_away_as_a_file(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "HISTORY_MESSAGES_AT_ONCE", 2)
    first = await reader.say("Why `x`?")
    conversation = first["conversation_id"]
    await reader.say("Und „warum“?", conversation_id=conversation)
    last = await reader.say("So?", conversation_id=conversation)
    path = f"{HISTORY}/{conversation}/export"
    for query, ending, media in (
        *(("", "json", "application/json"), ("?format=json", "json", "application/json")),
        ("?format=markdown", "md", "text/markdown; charset=utf-8"),
    ):
        response = await reader.client.raw("GET", path + query)
        assert response.code == 200 and response.headers["Content-Type"] == media
        assert response.headers["Content-Disposition"] == f'attachment; filename="{conversation}.{ending}"'
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        text = response.body.decode()
        if ending == "json":
            whole = (await reader.client.get(f"{HISTORY}?conversation_id={conversation}")).body
            assert json.loads(text) == {"conversation": whole["conversations"][0], "messages": whole["messages"]}
            continue
        assert text.startswith("# Why `x`?\n") and text.count("\n## You\n") == 3
        places = [text.index(part) for part in ("Why `x`?\n\n*", "\n## gpt-4\n", "„warum“", "So?")]
        assert places == sorted(places) and text.endswith(f"{last['response']}\n")
    refused = await reader.client.get(f"{path}?format=pdf", status=400)
    assert refused.body["error"]["details"] == {
        "field": "format",
        "value": "pdf",
        "errors": [{"field": "format", "message": "must be one of json, markdown"}],
    }
    await reader.client.get(f"{HISTORY}/conv_none/export", status=404)


async def test_a_file_that_is_cut_off_does_not_end_as_if_it_were_whole(
    reader: Reader, monkeypatch: pytest.MonkeyPatch, mongod_uri: str
) -> None:
    """The database fails between two portions: the connection is closed, and no last chunk is sent."""
    monkeypatch.setattr(assistant, "HISTORY_MESSAGES_AT_ONCE", 2)
    conversation = (await reader.say("One"))["conversation_id"]
    await reader.say("Two", conversation_id=conversation)
    fault = {
        "failCommands": ["find"],
        "errorCode": 8_000,
        "namespace": f"{reader.site.services.database.name}.messages",
    }
    with MongoClient[dict[str, Any]](mongod_uri) as client:
        client.admin.command({"configureFailPoint": "failCommand", "mode": {"skip": 1}, "data": fault})
        try:
            with pytest.raises(HTTPStreamClosedError):
                await reader.client.raw("GET", f"{HISTORY}/{conversation}/export?format=markdown")
        finally:
            client.admin.command({"configureFailPoint": "failCommand", "mode": "off"})


async def test_models_are_listed_with_their_prices_and_bounds(reader: Reader) -> None:
    models = {model["id"]: model for model in (await reader.client.get("/api/models")).body["models"]}
    gpt = models["gpt-4"]
    shown = (gpt["cost_per_1k_tokens"], gpt["output_cost_per_1k_tokens"], gpt["max_tokens"], gpt["max_output_tokens"])
    assert shown == (0.03, 0.06, 8_192, 4_096)
    assert gpt["provider"] == "openai" and gpt["available"] is gpt["sandbox"] is True
    assert {"chat", "code", "analysis"} <= set(gpt["capabilities"])
    assert "text-embedding-3-small" not in models and models["claude-3"]["max_tokens"] == 200_000
