"""`ai_call`: a question to an AI model, by the one completion path, charged once however often a process dies.

    begun before --the hold stands?--> somebody's answer is still being made: put off
                 --the message is there?--> its text; nothing is asked or charged again
                 --neither--> asked, under the id that this attempt's stream always has

The message is written by the very operation that charges, and a hold that a dead process left is released for nothing.
"""

import sys
from collections.abc import Mapping
from typing import Any, Final

from config.catalogue import AiModel
from hub import prompts
from hub.ai_models import chat_model
from hub.chat import Chat
from hub.chat_records import outcome_of
from hub.chat_request import ChatRequest
from hub.errors import Code, HubError
from hub.identity_cache import Identity
from hub.prices import charge_micro, tokens_affordable
from hub.streams import Outcome, Stream, replayed
from hub.workflows.definitions.graph import Json
from hub.workflows.running.answers import held_and_made, stream_of
from hub.workflows.running.plan import Stop
from hub.workflows.running.purse import Engaged, Reserved, SpentUp
from hub.workflows.running.runners.work import Done, Failed, PutOff, Work
from models.database import Database, Document

API: Final = "ai_assistant"
ENDPOINT: Final = "/api/workflows"  # what usage says was asked
_CAP: Final = "spend_cap"
# Nothing was begun, or it is being taken back: the same attempt, a little later. CONFLICT is a hold that still stands.
_BUSY: Final = (Code.RATE_LIMITED, Code.CONFLICT, Code.UNAVAILABLE, Code.OUTCOME_UNKNOWN)
_MAY_STAND: Final = (Code.CONFLICT, Code.OUTCOME_UNKNOWN)  # its hold
_INTERRUPTED: Final = (Code.UNAVAILABLE,)  # it was begun, and the hub stopped: a further turn of the same attempt


class AiCalls:
    """Runs `ai_call`. One per process."""

    def __init__(self, database: Database, chat: Chat, catalogue: Mapping[str, AiModel]) -> None:
        self._database = database
        self._chat = chat
        self._catalogue = catalogue

    async def __call__(self, work: Work) -> Done:
        """Raises `PutOff`, `Failed`, `HubError`."""
        turn: int = (work.record or {}).get("turn", 0)
        stream_id = stream_of(work.execution["_id"], work.step.key, work.step.attempt, turn)
        if work.step.begun and (message := await self._answered(stream_id)) is not None:
            outcome = outcome_of(message)
            await work.purse.settle(work.step.key, _charged(outcome))
            cut = await self._was_cut(work, outcome)
            return self._ended(work, replayed(message, outcome), outcome, turn, cut)
        return await self._ask(work, stream_id, turn)

    async def _answered(self, stream_id: str) -> Document | None:
        """Its message; None where nothing came of it. Raises `PutOff`."""
        held, made = await held_and_made(self._database, [stream_id])
        if held:
            raise PutOff("an answer that was begun before is not settled yet")
        return made.get(stream_id)

    async def _was_cut(self, work: Work, outcome: Outcome) -> bool:
        """Whether an answer that is as long as it might be was let be shorter than is wanted."""
        if outcome.finish_reason != "length" or outcome.detail is not None:
            return False
        model = chat_model(self._catalogue, work.inputs["model"])
        tokens = await prompts.counted(model, _messages(work.inputs), [])
        return outcome.usage.completion_tokens < _wanted(model, work.inputs.get("max_tokens"), tokens)

    async def _ask(self, work: Work, stream_id: str, turn: int) -> Done:
        model = chat_model(self._catalogue, work.inputs["model"])
        messages = _messages(work.inputs)
        tokens = await prompts.counted(model, messages, [])
        wanted = _wanted(model, work.inputs.get("max_tokens"), tokens)
        price = charge_micro(model, tokens, wanted)
        try:
            async with work.purse.reserve(work.step.key, price, charge_micro(model, tokens, 1)) as reserved:
                affordable = min(wanted, tokens_affordable(model, reserved.amount, tokens))
                request = _request(work, model, messages, affordable, stream_id)
                return await self._asked(work, request, reserved, turn, cut=affordable < wanted)
        except Engaged:
            raise PutOff("what it may spend is reserved for an answer that was begun before") from None
        except SpentUp:
            raise _cap_reached(work, 0) from None

    async def _asked(self, work: Work, request: ChatRequest, reserved: Reserved, turn: int, cut: bool) -> Done:
        try:
            stream = (await self._chat.start(identity_of(work.owner), request)).stream
            await stream.reached(sys.maxsize)
        except HubError as error:
            reserved.may_stand = error.code in _MAY_STAND
            if error.code in _BUSY and (error.code is Code.CONFLICT or error.retry_after_seconds is not None):
                raise PutOff(error.message) from error
            raise
        assert stream.outcome is not None, "it was followed to its end"
        reserved.spent = _charged(stream.outcome)
        return self._ended(work, stream, stream.outcome, turn, cut)

    def _ended(self, work: Work, stream: Stream, outcome: Outcome, turn: int, cut: bool) -> Done:
        spent = _charged(outcome)
        if outcome.error is not None:
            if outcome.error.code in _INTERRUPTED and not spent:
                raise PutOff(outcome.error.message, turn=turn + 1)
            error = outcome.error
            told, asked = (error.code.value, error.message), error.retry_after_seconds
            raise Failed(*told, temporary=error.temporary, asked_seconds=asked, spent_micro=spent)
        if outcome.finish_reason == "length" and cut:
            raise _cap_reached(work, spent)
        if outcome.detail is not None:
            raise Failed(outcome.detail, "The credits ended in the middle of the answer", spent_micro=spent)
        return work.done(stream.text(), spent_micro=spent)


def identity_of(owner: Mapping[str, Any]) -> Identity:
    """A workflow's owner, for whom it acts without a request."""
    return Identity(owner["_id"], owner["role"], owner["tier"], "workflow", None, None, None, None, owner)


def _wanted(model: AiModel, asked: int | None, prompt_tokens: int) -> int:
    """The longest answer: what is asked for; else whatever the model gives beside this prompt."""
    if asked is not None:
        return min(asked, model.output_tokens_max)
    return max(1, min(model.output_tokens_max, model.context_tokens - prompt_tokens))


def _messages(inputs: Json) -> list[Document]:
    system = [{"role": "system", "content": inputs["system"]}] if inputs.get("system") else []
    return [*system, {"role": "user", "content": inputs["prompt"]}]


def _request(work: Work, model: AiModel, messages: list[Document], max_tokens: int, stream_id: str) -> ChatRequest:
    parameters = {name: work.inputs[name] for name in ("temperature",) if name in work.inputs}
    return ChatRequest(
        model=model.id,
        api=API,
        endpoint=ENDPOINT,
        messages=messages,
        max_tokens=max_tokens,
        parameters=parameters,
        streamed=False,
        project=work.execution.get("project"),
        stream=stream_id,
        hops=work.execution["hops"] + 1,
    )


def _charged(outcome: Outcome) -> int:
    return outcome.receipt.charged if outcome.receipt is not None else 0


def _cap_reached(work: Work, spent_micro: int) -> Failed:
    message = "The execution may spend no more: its spend cap is reached"
    stop = Stop("failed", {"code": _CAP, "message": message})
    return Failed(_CAP, message, spent_micro=spent_micro, stop=stop)
