"""What Anthropic's own form says beyond OpenAI's: the request as its caller wrote it, and the blocks as they came back.

    Delta.extra["anthropic"] = JSON text of
        {"start": block}                        a content block begins, before the delta's own content
        {"delta": delta}                        a delta that has no form of OpenAI's: a signature, a citation
        {"ending": {"delta", "usage", ...}}     how the message ended
        {"blocks": [...], "ending": {...}}      all of a whole answer

Texts, thoughts and tools' arguments stand in OpenAI's fields of the same deltas, and are not said twice. It is text, and no
object, because it is stored: keys like `$ref` and numbers beyond 64 bits are nothing that a database takes.
"""

from typing import Any, Final

import orjson

from hub.providers.base import Delta, Json, Native, ProviderCall

KEY: Final = "anthropic"
_OF_EVERY_MESSAGE: Final = frozenset({"id", "type", "role", "model", "content", "usage"})
_OF_EVERY_ENDING: Final = frozenset({"type", "delta", "usage"})


def native_body(call: ProviderCall, native: Native) -> Json:
    """The caller's own body, with what the hub decides."""
    body = {name: value for name, value in native.body.items() if name != "stream"}
    return {**body, "model": call.model, "max_tokens": call.max_tokens}


def told(delta: Delta) -> Json:
    """What a delta says in Anthropic's form alone."""
    text = None if delta.extra is None else delta.extra.get(KEY)
    said: Json = orjson.loads(text) if text else {}
    return said


def whole(document: Json) -> str:
    """A whole message, for the `extra` of its one delta."""
    beside = {name: value for name, value in document.items() if name not in _OF_EVERY_MESSAGE}
    usage = document.get("usage")
    ending = {"delta": beside, "usage": usage if isinstance(usage, dict) else {}}
    return _text({"blocks": document["content"], "ending": ending})


class Kept:
    """What of one streamed answer has been said, and is still to be told.

    A block's beginning waits for its first delta: an answer begins with something that was written.
    """

    def __init__(self) -> None:
        self._begun: Json | None = None
        self._delta: Json = {}
        self._beside: Json = {}

    def begins(self, block: Json) -> None:
        self._begun = block

    def with_block(self, said: Delta | None, beyond: Json | None = None) -> Delta | None:
        """What was said, with the block that begins by it; `beyond` is a delta that OpenAI's form has no field for."""
        if said is None and beyond is None:
            return None
        kept: Json = {} if beyond is None else {"delta": beyond}
        if self._begun is not None:
            kept["start"], self._begun = self._begun, None
        said = said or Delta("")
        return Delta(said.content, {**(said.extra or {}), KEY: _text(kept)}) if kept else said

    def ends(self) -> Delta | None:
        """A block that had no delta stands in its beginning alone."""
        if self._begun is None:
            return None
        block, self._begun = self._begun, None
        return Delta("", {KEY: _text({"start": block})})

    def answer_ends(self, event: Json) -> None:
        self._delta |= event["delta"]
        self._beside |= {name: value for name, value in event.items() if name not in _OF_EVERY_ENDING}

    def ending(self, usage: Json) -> Delta:
        ending = {"delta": self._delta, "usage": usage, **self._beside}
        return Delta("", {KEY: _text({"ending": ending})})


def _text(kept: Any) -> str:
    return orjson.dumps(kept).decode()
