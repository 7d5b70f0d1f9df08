"""A user who has documents analysed, and the forms that they come in."""

import json
from dataclasses import dataclass
from typing import Any, Final

from tests.api_client import Answer, ApiClient
from tests.patience import until
from tests.site import Site

BOUNDARY: Final = "----a7f3b1"
FORM: Final = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
ANALYZE: Final = "/api/doc-analyzer/analyze"
ANALYSES: Final = "/api/doc-analyzer/analyses"


def described(paths: int = 2, text: str = "List users") -> bytes:
    """An OpenAPI document with so many paths."""
    operation = {"summary": text, "responses": {"200": {"description": "OK"}}}
    whole = {
        "openapi": "3.0.3",
        "info": {"title": "Users", "version": "1"},
        "paths": {f"/users{number}": {"get": operation} for number in range(paths)},
    }
    return json.dumps(whole).encode()


def part(name: str, content: bytes, filename: str | None = None, kind: str | None = None) -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    typed = f"\r\nContent-Type: {kind}" if kind is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}{typed}\r\n\r\n'
    return head.encode("utf-8", "surrogateescape") + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def upload(document: bytes, document_format: str = "openapi3", filename: str = "openapi.json", **more: Any) -> bytes:
    return form(part("file", document, filename, **more), part("format", document_format.encode()))


@dataclass
class Analyst:
    """`client` speaks for the user in the AI Assistant's form."""

    site: Site
    client: ApiClient
    user: str
    token: str

    @classmethod
    async def at(cls, site: Site) -> "Analyst":
        registered = await site.register()
        token = str(registered["access_token"])
        return cls(site, site.client("ai_assistant", token=token), str(registered["data"]["user"]["id"]), token)

    async def sends(self, body: bytes, status: int = 200, headers: dict[str, str] = FORM) -> Answer:
        return await self.client.post(ANALYZE, body, status=status, headers=headers)

    async def names(self, url: str, status: int = 200, **fields: Any) -> Answer:
        return await self.client.post(ANALYZE, {"source_type": "url", "source_url": url, **fields}, status=status)

    async def ended(self, analysis_id: str, seconds: float = 60) -> dict[str, Any]:
        """The analysis once nothing more becomes of it."""
        found: dict[str, Any] = {}

        async def has_ended() -> bool:
            found.update((await self.client.get(f"{ANALYSES}/{analysis_id}")).body)
            return bool(found["status"] != "processing")

        await until(has_ended, seconds)
        return found

    async def analysed(self, url: str, **fields: Any) -> dict[str, Any]:
        """What became of an address."""
        return await self.ended((await self.names(url, **fields)).body["analysis_id"])

    async def kept(self) -> tuple[int, int]:
        """How many analyses there are, and how many parts of documents and results."""
        database = self.site.services.database
        return await database["analyses"].count({}), await database["analysis_parts"].count({})
