"""Counting tokens: known counts, framing, and texts made to be slow or broken."""

import asyncio
import time

import pytest

from hub import tokens

HELLO = [{"role": "user", "content": "Hello, world!"}]


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("hello world", 2), ("Hello, world!", 4), ("antidisestablishmentarianism", 6), ("お誕生日おめでとう", 9)],
)
def test_known_counts_of_cl100k(text: str, count: int) -> None:
    """The figures of OpenAI's cookbook."""
    assert tokens.count_text("cl100k_base", text) == count


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("日本", 2), ("\ud800", 1)])
def test_without_a_vocabulary_bytes_count(text: str, count: int) -> None:
    assert tokens.count_text(None, text) == count


def test_only_the_own_table_is_exact() -> None:
    assert tokens.is_exact("cl100k_base")
    assert not tokens.is_exact("o200k_base")
    assert not tokens.is_exact(None)


def test_messages_are_framed() -> None:
    assert tokens.count_messages("cl100k_base", HELLO) == 3 + 1 + 4 + 3
    assert tokens.count_messages("cl100k_base", [{**HELLO[0], "name": "ann"}]) == 3 + 1 + 4 + 1 + 1 + 3
    assert tokens.count_messages("cl100k_base", []) == 3


def test_parts_pictures_and_tool_calls_count() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    parts = [{"role": "user", "content": [{"type": "text", "text": "Hello, world!"}, picture]}]
    assert tokens.count_messages("cl100k_base", parts) == 11 + tokens.TOKENS_PER_IMAGE
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    called = [{"role": "assistant", "content": None, "tool_calls": [call]}]
    assert tokens.count_messages("cl100k_base", called) > 3 + 1 + 3 + 5
    old = [{"role": "assistant", "content": None, "function_call": call["function"]}]
    assert tokens.count_messages("cl100k_base", old) == tokens.count_messages("cl100k_base", called)
    custom = {"id": "call_1", "type": "custom", "custom": {"name": "weather", "input": "in Paris, for a week"}}
    assert tokens.count_messages("cl100k_base", [{**called[0], "tool_calls": [custom]}]) > 3 + 1 + 3 + 5


@pytest.mark.parametrize("letter", ["a", " ", "\n", "!", "漢", "😀", "\ud800", "\u0301"])
def test_a_megabyte_of_one_letter_does_not_hang(letter: str) -> None:
    started = time.perf_counter()
    count = tokens.count_text("cl100k_base", letter * 1_000_000)
    assert count > 0
    assert time.perf_counter() - started < 5  # 0.1 s measured; the bound only tells linear from square


def test_pieces_change_a_long_text_by_little() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 20_000
    whole = tokens._table().count(text)
    assert abs(tokens.count_text("cl100k_base", text) - whole) <= whole // 1000


def test_a_fair_count_is_the_same_and_lets_others_run() -> None:
    messages = [{"role": "user", "content": "漢字 " * 200_000}, *HELLO]

    async def run() -> tuple[int, int]:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        count = await tokens.count_messages_fairly("cl100k_base", messages)
        task.cancel()
        return count, turns

    count, turns = asyncio.run(run())
    assert count == tokens.count_messages("cl100k_base", messages)
    assert turns >= 600_000 // tokens.PIECE_CHARS


def test_what_is_written_inside_other_parts_is_read_too() -> None:
    long = [{"type": "text", "text": "x " * 500}]
    found = {"type": "search_result", "source": "https://example.com", "title": "Found", "content": long}
    pages = {"type": "document", "source": {"type": "content", "content": long}}
    plain = tokens.count_messages("cl100k_base", HELLO)
    for part in (found, pages):
        assert tokens.count_messages("cl100k_base", [{"role": "user", "content": [part]}]) > plain + 490
    deep: list[dict[str, object]] = []
    for _ in range(10_000):
        deep = [{"type": "text", "text": "x", "content": deep}]
    assert tokens.count_messages("cl100k_base", [{"role": "user", "content": deep}]) < 50


def test_anthropics_pictures_are_pictures() -> None:
    picture = {"type": "image", "source": {"type": "file", "file_id": "file_1"}}
    assert tokens.count_messages(None, [{"role": "user", "content": [picture]}]) > tokens.TOKENS_PER_IMAGE
