"""A handler whose body is JSON, or a form with a file that is taken in as it comes: no more than a packed copy is kept.

head -> prepare -> pieces -> Upload (of a form), or a small buffer (of JSON) -> the method
"""

from collections.abc import Sequence

from tornado.http1connection import HTTP1Connection
from tornado.web import stream_request_body

from config import assistant, limits
from handlers.base import ApiHandler
from handlers.credentials import media_type
from handlers.terms import FORM
from hub.analyser.uploads import Upload
from hub.errors import Code, HubError
from models.database import DatabaseError


@stream_request_body
class UploadHandler(ApiHandler):
    """Who is refused is told once the body has come in: closed over unread data, a connection loses its answer.

    A body that breaks off leaves nothing: what had come in of it goes with the request.
    """

    body_bytes_max = assistant.ANALYSIS_UPLOAD_BYTES_MAX + assistant.ANALYSIS_FORM_BYTES_MAX

    def initialize(self, apis: Sequence[str], limit_class: str = "general", counted: bool = True) -> None:
        super().initialize(apis, limit_class, counted)
        self._upload: Upload | None = None
        self._text = bytearray()
        self._failure: HubError | DatabaseError | None = None
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.set_body_timeout(assistant.ANALYSIS_UPLOAD_SECONDS_MAX)

    async def prepare(self) -> None:
        try:
            await super().prepare()
            content_type = self.request.headers.get("Content-Type", "")
            if self.request.method == "POST" and media_type(content_type) == FORM:
                self._upload = Upload(content_type)
        except (HubError, DatabaseError) as error:
            self._failure = error

    def data_received(self, chunk: bytes) -> None:
        if self._failure is not None:
            return
        try:
            self._take(chunk)
        except HubError as error:
            self._failure, self._upload = error, None

    def _take(self, chunk: bytes) -> None:
        if self._upload is not None:
            self._upload.feed(chunk)
            return
        self._text += chunk
        if len(self._text) > limits.BODY_BYTES_MAX:
            raise HubError(Code.TOO_LARGE, "The body is larger than this address takes")

    def upload(self) -> Upload | None:
        """The form that came; None for a body that is to be read as JSON. Raises what was wrong with the request."""
        if self._failure is not None:
            raise self._failure
        self.request.body = bytes(self._text)
        return self._upload
