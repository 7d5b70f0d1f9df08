"""Files and sounds of a prompt, sized before anybody has read them."""

import base64
from typing import Any

import pytest

from hub.attachments import attached_tokens


def said(*parts: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "Read this"}, *parts]}]


def of_bytes(count: int) -> str:
    return base64.b64encode(bytes(count)).decode()


def pdf(count: int) -> dict[str, Any]:
    return {
        "type": "file",
        "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{of_bytes(count)}"},
    }


@pytest.mark.parametrize(("count", "tokens"), [(0, 3_000), (95_000, 3_000), (97_000, 6_000), (20_000_000, 300_000)])
def test_a_file_has_pages_by_its_bytes(count: int, tokens: int) -> None:
    assert attached_tokens(said(pdf(count))) == tokens
    assert attached_tokens(said(pdf(count), pdf(count))) == 2 * tokens
    source = {"type": "base64", "media_type": "application/pdf", "data": of_bytes(count)}
    assert attached_tokens(said({"type": "document", "source": source})) == tokens


@pytest.mark.parametrize(
    "part",
    [
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    ],
)
def test_a_file_that_is_only_named_is_a_page(part: dict[str, Any]) -> None:
    assert attached_tokens(said(part)) == 3_000


def test_a_sound_has_tokens_by_its_bytes() -> None:
    sound = {"type": "input_audio", "input_audio": {"data": of_bytes(15_900), "format": "mp3"}}
    assert attached_tokens(said(sound)) == 10


@pytest.mark.parametrize(
    "content",
    [
        "data:application/pdf;base64,AAAA",
        None,
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
        [{"type": "image", "source": {"type": "file", "file_id": "file_1"}}],
        [{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "A page"}]}}],
        [{"type": "search_result", "source": "https://example.com", "content": [{"type": "text", "text": "Found"}]}],
        [{"type": "file", "file": None}, {"type": "input_audio", "input_audio": 5}, "no part"],
    ],
)
def test_texts_and_pictures_are_counted_elsewhere(content: Any) -> None:
    assert attached_tokens([{"role": "user", "content": content}]) == 0
