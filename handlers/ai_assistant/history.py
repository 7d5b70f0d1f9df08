"""`/api/history`: the caller's conversations, to be listed, searched, read, renamed, taken away as a file, and deleted."""

from collections.abc import Sequence
from typing import Any, Final

from tornado.iostream import StreamClosedError

from config import assistant
from handlers.access import scope
from handlers.ai_assistant.conversation_views import FILES, MARKDOWN, message_view
from handlers.base import ApiHandler
from handlers.dialects import AI_ASSISTANT, Page
from handlers.numbers import NUMBER_MAX
from handlers.routing import Route
from handlers.sse import sent
from handlers.terms import JSON, PAGE, Parameter, answers, asks, takes, whole_number
from hub import belongings, history
from hub.errors import invalid
from hub.fields import Input, Line, is_line
from hub.realtime.views import conversation_view
from models import conversations
from models.database import DatabaseError, Document

_ID: Final = "([A-Za-z0-9_]{1,64})"
_CONVERSATION: Final = Parameter("conversation_id", "One conversation, with its messages, of which the page then is")
_PROJECT: Final = Parameter("project_id", "Those of one project", whole_number(1))
_SEARCH: Final = Parameter(
    "search",
    "A text of the title or of a message",
    {"type": "string", "minLength": 1, "maxLength": assistant.SEARCH_CHARS_MAX},
)
_FORMAT: Final = Parameter(
    "format", "What the file is to be", {"type": "string", "enum": list(FILES), "default": "json"}
)


class TitleInput(Input):
    title = Line(low=1, high=assistant.CONVERSATION_TITLE_CHARS_MAX, required=True, example="Quantum computing")


class ConversationHandler(ApiHandler):
    """Knows how a message is shown that is still being written."""

    def shown(self, message: Document) -> dict[str, Any]:
        return message_view(message, self.services.streams.get(message.get("stream", "")))


class History(ConversationHandler):
    """The caller's conversations."""

    @scope("ai:read")
    @asks(*PAGE, _CONVERSATION, _PROJECT, _SEARCH)
    async def get(self) -> None:
        """Conversations, the last used first; of one its messages, oldest first."""
        limit, offset = self.page_window()
        conversation_id, text = self.query(_CONVERSATION.name), self._text()
        if conversation_id is not None:
            await self._answer_one(conversation_id, limit, offset)
            return
        database, user, project = self.services.database, self.caller.user_id, await self._project()
        if text is None:
            found, total = await conversations.page(database, user, project=project, skip=offset, limit=limit)
            self.answer(_page_of(found, Page(limit, offset, total)))
            return
        searched = await history.search(database, user, text, project=project, skip=offset, limit=limit)
        page = Page(limit, offset, searched.total)
        self.answer({**_page_of(searched.conversations, page), "search_complete": searched.whole})

    async def _project(self) -> int | None:
        """The project whose conversations are asked for. Raises `HubError`: INVALID, NOT_FOUND."""
        number = self.query_integer(_PROJECT.name, 0, 1, NUMBER_MAX, lowered=False) or None
        if number is not None:
            await belongings.project(self.services.database, self.caller.user_id, number)
        return number

    def _text(self) -> str | None:
        """What is searched for. Raises `HubError` INVALID."""
        text = self.query(_SEARCH.name, 4 * assistant.SEARCH_CHARS_MAX)  # of UTF-8's bytes
        if text is None:
            return None
        if not 0 < len(text.strip()) <= assistant.SEARCH_CHARS_MAX or not is_line(text):
            raise invalid(_SEARCH.name, f"must have 1 to {assistant.SEARCH_CHARS_MAX} characters, of one line", text)
        if self.query(_CONVERSATION.name) is not None:
            raise invalid(_SEARCH.name, "goes through all conversations, and not with conversation_id", text)
        return text.strip()

    async def _answer_one(self, conversation_id: str, limit: int, offset: int) -> None:
        database = self.services.database
        conversation = await history.found(database, self.caller.user_id, conversation_id)
        said = await history.page(database, conversation_id, skip=offset, limit=limit)
        total, end = await conversations.message_count(database, conversation_id), offset + len(said)
        given = len(said) if said and end < total else limit  # who goes on by the limit is to miss none
        self.answer(
            {
                **_page_of([conversation], Page(given, offset, 1)),
                "messages": [self.shown(message) for message in said],
                "messages_total": total,
                "next_offset": end if end < total else None,
            }
        )


def _page_of(found: Sequence[Document], page: Page) -> dict[str, Any]:
    return AI_ASSISTANT.page("conversations", list(map(conversation_view, found)), page, "")


class Conversation(ApiHandler):
    """One of the caller's conversations."""

    @scope("ai:write")
    @takes(TitleInput())
    async def patch(self, conversation_id: str) -> None:
        """Give a conversation another title."""
        title = self.load_body()["title"]
        database, user = self.services.database, self.caller.user_id
        renamed = await conversations.rename(database, user, conversation_id, title)
        if renamed is None:
            raise history.no_such()
        self.answer(conversation_view(renamed))

    @scope("ai:write")
    async def delete(self, conversation_id: str) -> None:
        """Remove a conversation and its messages, for good. An answer that is being made ends; what came of it is paid."""
        await history.delete(self.services.database, self.services.chat, self.caller, conversation_id)
        self.answer({"id": conversation_id}, message="Conversation deleted successfully")


class Export(ConversationHandler):
    """A whole conversation as a file."""

    @scope("ai:read")
    @asks(_FORMAT)
    @answers(200, JSON, MARKDOWN, enveloped=False)
    async def get(self, conversation_id: str) -> None:
        """A conversation with all its messages as a file, in JSON or Markdown; written piece by piece."""
        file = FILES[self.query_choice(_FORMAT.name) or "json"]()
        conversation = await history.found(self.services.database, self.caller.user_id, conversation_id)
        self.set_header("Content-Type", file.media)
        self.set_header("Content-Disposition", f'attachment; filename="{conversation["_id"]}.{file.ending}"')
        self.write(file.begin(conversation))
        try:
            async for message in history.messages(self.services.database, conversation["_id"]):
                self.write(file.message(self.shown(message)))
                await sent(self, self.flush())
            self.write(file.end())
            await sent(self, self.finish())
        except StreamClosedError:
            pass  # the client has gone, or takes nothing
        except DatabaseError:
            self._cut_off()
            raise

    def _cut_off(self) -> None:
        """What has begun must not end as if it were whole."""
        if self._headers_written:
            connection: Any = self.request.connection
            connection.stream.close()


ROUTES = [
    Route("/api/history", History, ("ai_assistant",)),
    Route(f"/api/history/{_ID}", Conversation, ("ai_assistant",)),
    Route(f"/api/history/{_ID}/export", Export, ("ai_assistant",)),
]
