"""What a delta costs: the text that a model wrote, wherever a company puts it, and nothing that only stands beside it."""

from typing import Any

import pytest

from config.catalogue import load_catalogue
from hub.meter import Meter
from hub.providers.base import Delta, Usage

MODEL = load_catalogue()["gpt-4"]


def meter() -> Meter:
    return Meter(MODEL, prompt_tokens=9, max_tokens=400)


@pytest.mark.parametrize(
    ("extra", "tokens"),
    [
        ({"audio_content": "", "x_mark": "some mark of a company"}, 1),
        ({"tool_calls": [{"index": 0, "id": "call_abcdefghijkl", "type": "function"}]}, 1),
        ({"tool_calls": [{"index": 0, "function": {"name": "word", "arguments": " word word"}}]}, 4),
        ({"function_call": {"arguments": " word word"}}, 3),
        ({"reasoning_content": " word word"}, 3),
        ({"refusal": " word"}, 2),
        ({"tool_calls": "none", "function_call": 5, "refusal": {}}, 1),
        ({"tool_calls": ["a", {"function": "b"}, {"function": {"arguments": 5}}]}, 1),
    ],
)
def test_only_what_the_model_wrote_is_counted(extra: dict[str, Any], tokens: int) -> None:
    counted = meter()
    counted.count([Delta(" word", extra)])
    assert counted.completion_tokens == tokens


def test_a_usage_of_text_that_was_not_relayed_is_not_believed() -> None:
    for take_back in (lambda m: m.drop_batch(), lambda m: m.cut([Delta(" word")] * 10, m.cost // 2)):
        counted = meter()
        counted.count([Delta(" word")] * 10)
        counted.provider_usage = Usage(9, 10)
        assert counted.believed() == (Usage(9, 10), "provider")
        take_back(counted)
        usage, source = counted.believed()
        assert usage.completion_tokens < 10 and source == "counted"


@pytest.mark.parametrize(
    "said", [Usage(9, 0), Usage(0, 0), Usage(0, 10), Usage(9, 400), Usage(MODEL.context_tokens, 1)]
)
def test_a_usage_that_can_be_is_believed(said: Usage) -> None:
    """An explicit zero too, whatever was counted."""
    counted = meter()
    counted.count([Delta(" word")] * 10)
    counted.provider_usage = said
    assert counted.believed() == (said, "provider") and not counted.absurd()


@pytest.mark.parametrize(
    "said", [Usage(-1, 5), Usage(9, -1), Usage(-5, -7), Usage(9, 401), Usage(MODEL.context_tokens + 1, 5)]
)
def test_a_usage_that_cannot_be_is_counted_instead(said: Usage) -> None:
    counted = meter()
    counted.count([Delta(" word")] * 10)
    counted.provider_usage = said
    assert counted.believed() == (Usage(9, 10), "counted") and counted.absurd()
    silent = meter()
    silent.provider_usage = said
    assert silent.believed() == (Usage(0, 0), "counted")
