"""Counting tokens: the one function that says how many tokens a text has. `docs/tokens.md` has the measured errors.

    vocabulary      counted by                          exact
    cl100k_base     its own table, from `rs-bpe`        yes
    o200k_base      cl100k_base's table (another table would cost 97 MB in every process)
    none            ceil(UTF-8 bytes / 4)

The provider's own count decides the charge where it comes; this one sizes holds, guards running streams, and charges
answers whose usage never arrives.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final, Protocol

BYTES_PER_TOKEN: Final = 4
# Counting holds the interpreter: a megabyte of Chinese takes 100 ms, a piece of this size 7 ms at worst.
# A cut inside a word can add a token; 0.1 % in the worst text measured.
PIECE_CHARS: Final = 65_536
# OpenAI's cookbook: each message is framed by three tokens, a name costs one more, and three prime the reply.
TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_NAME: Final = 1
TOKENS_PER_REPLY: Final = 3
# OpenAI's price of a 1024 x 1024 picture in high detail: 85 + 4 tiles of 170. Its size is not known without decoding it.
TOKENS_PER_IMAGE: Final = 765

_EXACT: Final = frozenset({"cl100k_base"})
_TEXTS: Final = ("text", "title", "context")  # of a part, beside its content
_DEPTH_MAX: Final = 8  # of content in content; no company's form has more than four


class _Table(Protocol):
    """What we call of rs-bpe, whose compiled part has no types."""

    def count(self, text: str) -> int: ...


def is_exact(vocabulary: str | None) -> bool:
    """Whether `count_text` counts with the model's own table: usage source `counted`, otherwise `estimated`."""
    return vocabulary in _EXACT


def count_text(vocabulary: str | None, text: str) -> int:
    """Tokens of a text. Time is linear in its length whatever it holds; lone surrogates count as one replacement each."""
    if len(text) <= PIECE_CHARS:  # once per streamed delta: no generator
        return _count_piece(vocabulary, text)
    return sum(_count_piece(vocabulary, piece) for piece in _pieces(text))


def count_messages(vocabulary: str | None, messages: Sequence[Mapping[str, Any]]) -> int:
    """Tokens of a prompt in OpenAI's form, with the framing of its messages. Pictures are a flat `TOKENS_PER_IMAGE`.

    The messages are such as `hub/messages_field.py` lets through.
    """
    texts = sum(_count_piece(vocabulary, piece) for piece in _message_pieces(messages))
    return texts + _framing(messages)


async def count_messages_fairly(vocabulary: str | None, messages: Sequence[Mapping[str, Any]]) -> int:
    """`count_messages` for prompts of any size: lets the loop run between pieces, so that 16 MB do not stop the rest."""
    total, unbroken_chars = _framing(messages), 0
    for piece in _message_pieces(messages):
        total += _count_piece(vocabulary, piece)
        unbroken_chars += len(piece)
        if unbroken_chars >= PIECE_CHARS:
            unbroken_chars = 0
            await asyncio.sleep(0)
    return total


@cache
def _table() -> _Table:
    """Loaded at the first count: 40 ms and 33 MB that a process which never counts need not pay."""
    from rs_bpe import bpe

    table: _Table = bpe.openai.cl100k_base()
    return table


def _count_piece(vocabulary: str | None, piece: str) -> int:
    if vocabulary is None:
        return -(-len(piece.encode("utf-8", "replace")) // BYTES_PER_TOKEN)
    try:
        return _table().count(piece)
    except UnicodeEncodeError:  # JSON may carry half of a surrogate pair, which has no UTF-8
        return _table().count(piece.encode("utf-8", "replace").decode())


def _pieces(text: str) -> Iterable[str]:
    return (text[start : start + PIECE_CHARS] for start in range(0, len(text), PIECE_CHARS))


def _message_pieces(messages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    for message in messages:
        for text in _texts(message):
            yield from _pieces(text)


def _texts(message: Mapping[str, Any]) -> Iterable[str]:
    """Everything in a message that the model reads as text, its role and its tool calls included."""
    yield from (value for field in ("role", "name", "refusal") if isinstance(value := message.get(field), str))
    content = message.get("content")
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for part in content:
            yield from _part_texts(part)
    for called in _called(message):
        yield from (value for value in called.values() if isinstance(value, str))


def _part_texts(part: object, depth: int = 0) -> Iterable[str]:
    """The texts of a part, those included that a search result or a document has inside."""
    if isinstance(part, str):
        yield part
    elif isinstance(part, list) and depth < _DEPTH_MAX:
        for each in part:
            yield from _part_texts(each, depth + 1)
    elif isinstance(part, dict) and depth < _DEPTH_MAX:
        yield from (value for name in _TEXTS if isinstance(value := part.get(name), str))
        inside = part.get("source")
        for nested in (part.get("content"), inside if isinstance(inside, dict) else None):
            yield from _part_texts(nested, depth + 1)


def _called(message: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """The functions and tools that a message calls, with their arguments, in OpenAI's present form and its old one."""
    for call in message.get("tool_calls") or ():
        yield from (call.get(kind) or {} for kind in ("function", "custom"))
    yield message.get("function_call") or {}


def _framing(messages: Sequence[Mapping[str, Any]]) -> int:
    images = sum(image_count(message.get("content")) for message in messages)
    names = sum(1 for message in messages if message.get("name"))
    framing = TOKENS_PER_MESSAGE * len(messages) + TOKENS_PER_NAME * names + TOKENS_PER_REPLY
    return framing + images * TOKENS_PER_IMAGE


def image_count(content: object) -> int:
    """The pictures in a message's content."""
    if not isinstance(content, list):
        return 0
    return sum(1 for part in content if isinstance(part, dict) and part.get("type") in ("image_url", "image"))
