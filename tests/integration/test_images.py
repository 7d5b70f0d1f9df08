"""Pictures in messages: passed on where the model can see, refused before anything is held where it cannot."""

from typing import Any

import pytest

from tests.http_streams import Face

pytestmark = pytest.mark.gen_test

PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5Erk"
    "Jggg=="
)


def about(url: str) -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4o-mini"])
async def test_a_model_that_sees_gets_the_picture(face: Face, model: str) -> None:
    answer = await face.complete(model=model, messages=about(PIXEL))
    assert answer.status == 200
    assert face.provider.requests[0].body["messages"] == about(PIXEL)


@pytest.mark.parametrize("path", ["/v1/chat/completions"])
async def test_a_model_that_does_not_see_refuses_it(face: Face, path: str) -> None:
    answer = await face.complete(path, messages=about("https://example.com/cat.png"))
    error = (await answer.json())["error"]
    assert (answer.status, error["code"], error["details"]["field"]) == (400, "INVALID_REQUEST", "messages")
    assert "gpt-4 takes no images" in error["details"]["reason"]
    assert face.provider.requests == []
    assert await face.charged() == 0
