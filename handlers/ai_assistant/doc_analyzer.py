"""The document analyser: an API's description goes in by its address or as a file, and what it says comes out."""

from typing import Any, ClassVar, Final

import orjson
from tornado.iostream import StreamClosedError

from config import assistant, limits
from handlers.access import scope
from handlers.ai_assistant.uploads import UploadHandler
from handlers.base import ApiHandler
from handlers.dialects import Page
from handlers.routing import Route
from handlers.sse import sent
from handlers.terms import PAGE, answers, asks, takes
from hub.analyser.formats import FORMATS
from hub.errors import Code
from hub.fields import Choice, Flag, Form, Input, Strict, Text
from models.clock import timestamp
from models.database import Document

Json = dict[str, Any]

XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ID: Final = "([A-Za-z0-9_]{1,64})"


class File(Strict):
    """Text in UTF-8: JSON, YAML or Markdown, at most 20 MiB of it."""

    form: ClassVar[Form] = {"type": "string", "contentMediaType": "application/octet-stream"}


class AddressInput(Input):
    source_type = Choice(("url",), required=True)
    source_url = Text(
        low=1, high=limits.WEBHOOK_URL_CHARS_MAX, example="https://api.example.com/openapi.json", required=True
    )
    format = Choice(FORMATS, load_default="auto")


class UploadInput(Input):
    file = File(required=True)
    format = Choice(FORMATS, load_default="auto")


class WorkbookInput(Input):
    analysis_id = Text(low=1, high=limits.NAME_CHARS_MAX, required=True)
    include_examples = Flag(load_default=False)


class SpreadsheetInput(WorkbookInput):
    spreadsheet_name = Text(low=1, high=assistant.SPREADSHEET_NAME_CHARS_MAX, example="API Documentation Analysis")


class Analyze(UploadHandler):
    """The answer tells its id: what becomes of it is asked for by that, and is told as an event on the WebSocket too."""

    @scope("ai:write")
    @takes(AddressInput(), form=UploadInput())
    async def post(self) -> None:
        """Analyse an API's description: what an address gives, or a file."""
        upload, analyses = self.upload(), self.services.analyser.analyses
        if upload is not None:
            made = await analyses.of_upload(self.caller.user_id, upload.finish())
        else:
            given = self.load_body(analyses.check_address)
            made = await analyses.of_address(self.caller.user_id, given["source_url"], given["format"])
        started = {"analysis_id": made["_id"], "status": made["status"]}
        self.answer({**started, "estimated_time_seconds": assistant.ANALYSIS_EXPECTED_SECONDS})


class Analyses(ApiHandler):
    @scope("ai:read")
    @asks(*PAGE)
    async def get(self) -> None:
        """The caller's analyses, newest first, without their results."""
        limit, offset = self.page_window()
        found, total = await self.services.analyser.analyses.page(self.caller.user_id, offset, limit)
        self.answer_page("analyses", [summary(each) for each in found], Page(limit, offset, total))


class LargeAnswer(ApiHandler):
    """Answers of some mebibytes, which stay in memory until their reader has taken them."""

    async def deliver(self, body: bytes) -> None:
        """Answer with these bytes, piece by piece. A reader that takes no piece within its time is cut off."""
        self.set_header("Content-Length", str(len(body)))
        try:
            for start in range(0, len(body), assistant.ANSWER_PIECE_BYTES):
                self.write(body[start : start + assistant.ANSWER_PIECE_BYTES])
                await sent(self, self.flush())
            await sent(self, self.finish())
        except StreamClosedError:
            pass  # the client has gone, or takes nothing


class Analysis(LargeAnswer):
    @scope("ai:read")
    async def get(self, analysis_id: str) -> None:
        """One analysis: `results` once it is completed, `error` where it failed."""
        user, analyses = self.caller.user_id, self.services.analyser.analyses
        found = await analyses.find(user, analysis_id)
        with self.services.analyser.answers.held(user, analyses.size(found)):
            await self.deliver(self._shown(found, await analyses.results(found)))

    def _shown(self, found: Document, results: bytes | None) -> bytes:
        told = {**summary(found), "results": None if results is None else orjson.Fragment(results)}
        return orjson.dumps(self.dialect.success(told, None, self.request_id))

    @scope("ai:write")
    async def delete(self, analysis_id: str) -> None:
        """Remove an analysis, its document and its results; one that is under way ends."""
        await self.services.analyser.analyses.remove(self.caller.user_id, analysis_id)
        self.answer({"message": "Analysis deleted successfully", "id": analysis_id})


class Workbook(LargeAnswer):
    refuses = (Code.CONFLICT,)

    @scope("ai:read")
    @takes(WorkbookInput())
    @answers(200, XLSX, enveloped=False)
    async def post(self) -> None:
        """An analysis as a workbook of three sheets; with `include_examples` the examples have columns."""
        given, user, analyser = self.load_body(), self.caller.user_id, self.services.analyser
        made = await analyser.exports.workbook(user, given["analysis_id"], given["include_examples"])
        with analyser.answers.held(user, len(made)):
            self.set_header("Content-Type", XLSX)
            self.set_header("Content-Disposition", f'attachment; filename="{given["analysis_id"]}.xlsx"')
            await self.deliver(made)


class Spreadsheet(ApiHandler):
    """It is made in the Google account that the caller has connected."""

    @scope("account:write")
    @takes(SpreadsheetInput())
    async def post(self) -> None:
        """An analysis as a new spreadsheet at Google Sheets."""
        given = self.load_body()
        made = await self.services.analyser.exports.spreadsheet(
            self.caller.user_id, given["analysis_id"], given.get("spreadsheet_name"), given["include_examples"]
        )
        self.answer({"spreadsheet_id": made.id, "spreadsheet_url": made.url, "sheets_created": list(made.sheets)})


def summary(analysis: Document) -> Json:
    """All but the results."""
    source, completed_at = analysis["source"], analysis.get("completed_at")
    return {
        "id": analysis["_id"],
        "status": analysis["status"],
        "format": analysis["format"],
        "source_type": source["type"],
        "source_url": source.get("url"),
        "file_name": source.get("name"),
        "created_at": timestamp(analysis["created_at"]),
        "completed_at": None if completed_at is None else timestamp(completed_at),
        "error": analysis.get("error"),
    }


ROUTES = [
    Route("/api/doc-analyzer/analyze", Analyze, ("ai_assistant",)),
    Route("/api/doc-analyzer/analyses", Analyses, ("ai_assistant",)),
    Route(f"/api/doc-analyzer/analyses/{_ID}", Analysis, ("ai_assistant",)),
    Route("/api/doc-analyzer/export/xlsx", Workbook, ("ai_assistant",)),
    Route("/api/doc-analyzer/export/sheets", Spreadsheet, ("ai_assistant",)),
]
