"""What answers when no handler does: unknown paths, and bodies that are not to be read at all."""

from collections.abc import Sequence
from typing import Any, Final

from tornado.http1connection import HTTP1Connection
from tornado.web import stream_request_body

from config import limits
from handlers.access import public
from handlers.base import ApiHandler
from handlers.bodies import announced_bytes
from handlers.failures import of_status
from hub.errors import Code, HubError

_TOO_LARGE: Final = of_status(413)
_TWICE: Final = "There is nothing at this address: /v1 stands in it twice, for the client adds its own to the base URL"


class NotFound(ApiHandler):
    """Every path that nobody has, in the dialect of who is asking; not counted, for nothing was done."""

    def initialize(self, apis: Sequence[str] = (), limit_class: str = "general", counted: bool = False) -> None:
        super().initialize(apis, limit_class, counted)

    @public
    def get(self, *args: Any) -> None:
        raise HubError(Code.NOT_FOUND, _TWICE) if self.request.path.startswith("/v1/v1/") else of_status(404)

    head = post = put = patch = delete = get


@stream_request_body
class BodyRefused(ApiHandler):
    """Takes the place of a handler that is not to have the body, for the reason that `refusal` tells.

    The body is read and dropped before the answer: were the connection closed over unread data, the kernel would throw
    the answer away too. What is larger than that, too, is answered and cut off at once.
    """

    def initialize(
        self,
        apis: Sequence[str] = (),
        limit_class: str = "general",
        counted: bool = True,
        refusal: HubError = _TOO_LARGE,
    ) -> None:
        super().initialize(apis, limit_class, counted)
        self._refusal = refusal

    async def prepare(self) -> None:
        await self.count()
        if announced_bytes(self.request, 0) > limits.BODY_DISCARDED_BYTES_MAX:
            raise self._refusal
        self.request.connection.set_max_body_size(limits.BODY_DISCARDED_BYTES_MAX)  # type: ignore[union-attr] # HTTP/1

    def data_received(self, chunk: bytes) -> None:
        pass

    @public
    async def post(self, *args: Any, **kwargs: Any) -> None:
        self.answer_error(self._refusal)
        await self.flush()
        if isinstance(self.request.connection, HTTP1Connection):
            self.request.connection.close()

    get = head = put = patch = delete = post
