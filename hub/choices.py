"""The choices of a whole answer in OpenAI's form, put together from the deltas of its log. Pure."""

from collections.abc import Sequence
from typing import Any

from hub.providers.base import Delta
from hub.streams import choice_of

Json = dict[str, Any]


def choice_views(deltas: Sequence[Delta], finish_reason: str | None) -> list[Json]:
    """A choice for each that has said anything, and always the first. `finish_reason` is the first one's, and that of a
    further one which was cut with it.
    """
    of_choice: dict[int, list[Delta]] = {0: []}
    for delta in deltas:
        of_choice.setdefault(choice_of(delta), []).append(delta)
    return [_choice_view(index, of_choice[index], finish_reason) for index in sorted(of_choice)]


def _choice_view(index: int, deltas: Sequence[Delta], finish_reason: str | None) -> Json:
    beside = [delta.extra["choice"] for delta in deltas if delta.extra and "choice" in delta.extra]
    reasons = [choice["finish_reason"] for choice in beside if "finish_reason" in choice]
    return {
        "index": index,
        "message": _message(deltas),
        "logprobs": _logprobs([choice["logprobs"] for choice in beside if "logprobs" in choice]),
        "finish_reason": reasons[-1] if reasons else finish_reason,
    }


def _message(deltas: Sequence[Delta]) -> Json:
    message: Json = {"role": "assistant", "content": "".join([delta.content for delta in deltas]), "refusal": None}
    for delta in deltas:
        for name, value in (delta.extra or {}).items():
            if name == "tool_calls":
                _add_calls(message.setdefault(name, []), value)
            elif name != "choice":
                message[name] = _joined(message.get(name), value)
    if message.get("tool_calls") and not message["content"]:
        message["content"] = None
    return message


def _joined(before: Any, value: Any) -> Any:
    """Text and lists come in pieces; of anything else the last one counts."""
    pieces = (isinstance(before, str) and isinstance(value, str)) or (
        isinstance(before, list) and isinstance(value, list)
    )
    return before + value if pieces else value


def _add_calls(calls: list[Json], pieces: Sequence[Json]) -> None:
    """A whole call has no `index`; a streamed one comes piece by piece, each with the index of its call."""
    for piece in pieces:
        index = piece.get("index")
        whole = {name: value for name, value in piece.items() if name != "index"}
        if index is None or index >= len(calls):
            calls.append(whole)
        else:
            calls[index] = _merged(calls[index], whole)


def _merged(before: Json, piece: Json) -> Json:
    merged = dict(before)
    for name, value in piece.items():
        known = before.get(name)
        merged[name] = (
            _merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else _joined(known, value)
        )
    return merged


def _logprobs(pieces: Sequence[Json]) -> Json | None:
    joined: Json | None = None
    for piece in pieces:
        joined = dict(piece) if joined is None else _merged(joined, piece)
    return joined
