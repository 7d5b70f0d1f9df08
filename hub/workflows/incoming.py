"""What comes from outside and begins executions: webhooks at a workflow's own address, and messages to its owner's bot.

    POST --whose?--> --signed, where it says so--> --payload--> begun, or the execution that the same webhook-id began
    update --whose bot?--> message --each workflow that listens to its chat--> begun, once for an update_id

The secret in the address suffices; a signature that is there must be right all the same, over the bytes that came.
"""

import hmac
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

import structlog

from config import workflows as limits
from hub import json_input, key_secrets
from hub.errors import Code, HubError
from hub.integrations.telegram import is_of_chat, message_of
from hub.throttle import Throttle
from hub.webhooks import signatures
from hub.webhooks.portion import Payload
from hub.webhooks.signatures import NotGenuine
from hub.workflows.definitions.graph import Json
from hub.workflows.executions import Executions
from hub.workflows.notifying import EXECUTED
from hub.workflows.workflows import Workflows, definition_of
from models import executions, workflows
from models.clock import now
from models.database import Database, Document
from models.ids import new_id

log = structlog.get_logger(__name__)

PLAIN: Final = "X-Webhook-Signature"
STANDARD: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_FORM: Final = "application/x-www-form-urlencoded"


class Incoming:
    """One per process. Methods raise `DatabaseError`, and `HubError` as they say."""

    def __init__(self, database: Database, made: Workflows, executions: Executions, throttle: Throttle) -> None:
        self._database = database
        self._workflows = made
        self._executions = executions
        self._throttle = throttle

    # --- webhooks -----------------------------------------------------------------------------------------------

    async def genuine(
        self, secret: str, number: int | None, headers: Mapping[str, str], body: bytes, address: str
    ) -> Document:
        """The workflow whose address a webhook came to. `headers` are those that are there of `PLAIN` and `STANDARD`,
        `number` is the workflow's, where the address names it too; `address` is where it comes from.

        Raises `HubError`: NOT_FOUND for a secret that is nobody's, UNAUTHENTICATED for a wrong signature, CONFLICT for a
        workflow that no webhook triggers, RATE_LIMITED.
        """
        found = await self._found(secret, number, address)
        _check_signatures(headers, body, secret)
        if found["trigger_type"] != "webhook":
            raise HubError(Code.CONFLICT, f"This workflow's trigger is {found['trigger_type']}, and no webhook")
        return found

    async def triggered(self, workflow: Document, payload: Json, webhook_id: str | None, hops: int) -> Document:
        """The execution that a genuine webhook begins, or has begun before.

        Raises `HubError`: MALFORMED for its id, RATE_LIMITED, and what `Executions.begin` does.
        """
        twin = _twin(webhook_id)
        await self._throttle.workflow_triggered(workflow["_id"])
        hops = max(hops, await self._hops_of(payload, workflow["user"]))
        return await self._executions.begin(workflow, payload, "webhook", hops=hops, twin=twin)

    async def _hops_of(self, payload: Json, user: str) -> int:
        """A workflow that is told of the end of an execution comes after it: two that tell each other are a loop."""
        execution_id = payload.get("execution_id") if payload.get("event") == EXECUTED else None
        if not isinstance(execution_id, str):
            return 0
        before = await executions.by_id(self._database, execution_id)
        return 0 if before is None or before["user"] != user else int(before["hops"]) + 1

    async def _found(self, secret: str, number: int | None, address: str) -> Document:
        found = await self._workflows.by_secret(key_secrets.digest(secret))
        if found is None or number not in (None, found["number"]):
            await self._throttle.webhook_missed(address)
            raise HubError(Code.NOT_FOUND, "No such webhook")
        return found

    async def replayed(self, workflow: Document, found: Sequence[Payload], mark: str | None, hops: int) -> int:
        """Begin an execution for each of these webhooks, as if it came; how many those are. Those to which too many
        workflows led begin none, as when they come. None begins where there is no room for all. Asked for again they are
        begun again, but for those that had begun under the same `mark`.

        Raises `HubError`: CONFLICT, RATE_LIMITED, TOO_LARGE, upon which some may have begun all the same.
        """
        replay = f"replay:{mark or new_id('replay')}"
        wanted = [one for one in found if max(hops, one.hops) <= limits.HOPS_MAX]
        for done, one in enumerate(wanted):
            payload = payload_of("application/json", one.text.encode())
            twin, room_for = f"{replay}:{one.webhook_id}", len(wanted) - done
            led = max(hops, one.hops)
            await self._executions.begin(workflow, payload, "webhook", hops=led, twin=twin, room_for=room_for)
        return len(wanted)

    # --- messages -----------------------------------------------------------------------------------------------

    async def heard(self, bot: Document, update: Json) -> int:
        """How many executions a bot's update, which has an `update_id`, begins or has begun before.

        Raises `HubError` RATE_LIMITED, upon which Telegram sends it again.
        """
        message = message_of(update)
        if message is None:
            return 0
        listening = await workflows.triggered_by(self._database, bot["user"], "telegram", limits.WORKFLOWS_PER_USER_MAX)
        wanted = [each for each in listening if _listens(each, bot, message)]
        twin = f"telegram:{bot['name']}:{update['update_id']}"
        begun = [await self._told(each, {**update, "message": message}, twin) for each in wanted]
        return sum(begun)

    async def _told(self, workflow: Document, payload: Json, twin: str) -> bool:
        """A workflow that cannot be executed at all keeps no other from it."""
        try:
            await self._throttle.workflow_triggered(workflow["_id"])
            await self._executions.begin(workflow, payload, "telegram", twin=twin)
        except HubError as error:
            if error.temporary:
                raise
            log.info("a message began nothing", workflow=workflow["_id"], error=error.message)
            return False
        return True


def _listens(workflow: Document, bot: Document, message: Json) -> bool:
    """To a chat of its own, else to the bot's: what a stranger writes to a bot spends nobody's credits."""
    chat_id = definition_of(workflow)["trigger"].get("config", {}).get("chat_id") or bot["chat_id"]
    return chat_id is not None and is_of_chat(message, chat_id)


# --- webhooks, as they come -----------------------------------------------------------------------------------------


def _check_signatures(headers: Mapping[str, str], body: bytes, secret: str) -> None:
    """Of what is signed in one way or two. Raises `HubError` UNAUTHENTICATED."""
    if (plain := headers.get(PLAIN)) is not None:
        ours = signatures.plain(body, secret)
        if not hmac.compare_digest(plain.encode(), ours.encode()):
            raise HubError(Code.UNAUTHENTICATED, f"{PLAIN} is not this body's by the workflow's secret")
    if "webhook-signature" in headers:
        try:
            signatures.verify(headers, body, [secret], now())
        except NotGenuine as error:
            raise HubError(Code.UNAUTHENTICATED, f"This webhook is not accepted: {error}") from None


def _twin(webhook_id: str | None) -> str | None:
    if webhook_id is None:
        return None
    if not 0 < len(webhook_id) <= limits.WEBHOOK_ID_CHARS_MAX or not webhook_id.isprintable():
        raise HubError(Code.MALFORMED, f"webhook-id must be 1 to {limits.WEBHOOK_ID_CHARS_MAX} printable characters")
    return f"webhook:{webhook_id}"


def payload_of(media: str, body: bytes) -> Json:
    """What templates see of a body: an object as it is, a form by its fields, any other JSON as `body`; of none nothing.

    Raises `HubError`: MALFORMED, INVALID, TOO_LARGE.
    """
    if not body:
        return {}
    if media == _FORM:
        return _form(body)
    if media != "application/json" and not media.endswith("+json"):
        raise HubError(Code.MALFORMED, f"The body must be JSON or a form, with its Content-Type (or {_FORM})")
    value = json_input.loads(body, limits.PAYLOAD_BYTES_MAX)
    return value if isinstance(value, dict) else {"body": value}


def _form(body: bytes) -> Json:
    """Each field by its name; one that comes several times is a list."""
    if len(body) > limits.PAYLOAD_BYTES_MAX:
        raise HubError(Code.TOO_LARGE, f"At most {limits.PAYLOAD_BYTES_MAX} bytes of a form are accepted")
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, True, False, errors="strict", max_num_fields=limits.FORM_FIELDS_MAX)
    except ValueError:
        raise HubError(Code.MALFORMED, f"The body is no form of at most {limits.FORM_FIELDS_MAX} fields") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    if any("\0" in text for pair in pairs for text in pair):
        raise HubError(Code.MALFORMED, "The form has a NUL character")
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}
