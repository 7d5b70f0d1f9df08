"""What an AI model is asked: the turns of a kept conversation and what is said now, as much of it as fits the model."""

from collections.abc import Mapping
from typing import Any

import orjson

from config import limits
from config.catalogue import AiModel
from hub.attachments import attached_tokens
from hub.chat_request import ChatRequest, Prompt
from hub.errors import invalid
from hub.tokens import count_messages_fairly, image_count
from models import conversations
from models.database import Database, Document


async def of(database: Database, model: AiModel, request: ChatRequest, conversation: Document | None) -> Prompt:
    """The turns of the request's conversation so far and what is said now, as much of it as fits the model.

    Raises `HubError` INVALID where the model sees no pictures, or what is said does not fit.
    """
    said = request.said
    check_images(model, said)
    turns = [*await history(database, conversation), *said]
    answer = 1 if request.max_tokens is None else request.answer_tokens(model)
    field = "messages" if request.message is None else "message"
    beside = read_beside(request.parameters)
    return await fitting(model, turns, field=field, beside=beside, keep=len(said), answer=answer)


def read_beside(parameters: Mapping[str, Any]) -> list[Any]:
    """What the model reads beside the messages: the tools that are offered, and the form that the answer is to have."""
    offered = [
        tool for name in ("tools", "functions") if isinstance(tools := parameters.get(name), list) for tool in tools
    ]
    form = parameters.get("response_format")
    return [*offered, form] if isinstance(form, dict) and "json_schema" in form else offered


async def history(database: Database, conversation: Document | None) -> list[Document]:
    """The turns of a kept conversation so far, as a provider takes them."""
    if conversation is None:
        return []
    most = limits.CONVERSATION_CONTEXT_MESSAGES_MAX
    turns = await conversations.messages(database, conversation["_id"], limit=most)
    said = [{"role": turn["role"], "content": turn["content"]} for turn in turns if turn["content"]]
    return _from_a_question(said, 0, len(said))


def check_images(model: AiModel, messages: list[Document]) -> None:
    """Raises `HubError` INVALID for a picture that this model cannot see: its company would say so less clearly."""
    if "vision" not in model.capabilities and any(image_count(message.get("content")) for message in messages):
        raise invalid("messages", f"{model.id} takes no images")


async def fitting(
    model: AiModel, turns: list[Document], *, field: str, beside: list[Any], keep: int, answer: int
) -> Prompt:
    """The prompt, with what is read beside it counted; the oldest turns go until it and the answer fit the model.

    Raises `HubError` INVALID, naming the `field` of the request, when even what was just said does not fit.
    """
    tokens = await _read(model, turns, beside)
    while tokens + answer > model.context_tokens and len(turns) > keep:
        turns = _from_a_question(turns, max(1, (len(turns) - keep) // 4), len(turns) - keep)
        tokens = await _read(model, turns, beside)
    if tokens + answer > model.context_tokens:
        room = model.context_tokens
        raise invalid(field, f"{tokens} tokens and an answer of {answer} exceed the model's context of {room}")
    return Prompt(turns, tokens, attached_tokens(turns))


async def counted(model: AiModel, messages: list[Document], beside: list[Any]) -> int:
    """The tokens of a prompt, of what is read beside it, and of what is attached, as a hold has them."""
    return await _read(model, messages, beside) + attached_tokens(messages)


async def _read(model: AiModel, messages: list[Document], beside: list[Any]) -> int:
    tokens = await count_messages_fairly(model.vocabulary, messages)
    written = [{"role": "system", "content": orjson.dumps(each).decode()} for each in beside]
    return tokens + (await count_messages_fairly(model.vocabulary, written) if written else 0)


def _from_a_question(turns: list[Document], start: int, end: int) -> list[Document]:
    """The turns from `start` on, without those answers before `end` whose question is gone: some companies refuse them."""
    while start < end and turns[start]["role"] == "assistant":
        start += 1
    return turns[start:]
