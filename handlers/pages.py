"""The pages and their files. Our own files are asked for anew each time (a 304 is cheap), libraries are kept for a week."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any, Final

from tornado.web import HTTPError, RequestHandler, StaticFileHandler

from handlers.access import public
from handlers.routing import Route

_INLINE_SCRIPT: Final = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".html": "text/html; charset=utf-8",
    ".webmanifest": "application/manifest+json",
}
LINKS: Final = ("/auth/reset", "/auth/verify", "/auth/callback")
_LIBRARIES: Final = "node_modules/"
_LIBRARY_SECONDS: Final = 7 * 86_400
HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def content_security_policy(page: bytes) -> str:
    """Everything from ourselves, and the page's inline scripts by their hashes."""
    digests = [hashlib.sha256(script).digest() for script in _INLINE_SCRIPT.findall(page)]
    hashes = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'self'; script-src 'self' {hashes}; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class Page(RequestHandler):
    """A page; its script decides what it shows, and the hub what it tells that script."""

    def initialize(self, page: bytes, policy: str) -> None:
        self._page = page
        self.set_header("Content-Security-Policy", policy)

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    @public
    def get(self) -> None:
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        self.finish(self._page)

    @public
    def head(self) -> None:
        self.get()


class LinkPage(Page):
    """The same page at the addresses that mails and sign-ins lead to: what their query holds is told to nobody."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Referrer-Policy", "no-referrer")


class ServiceWorker(RequestHandler):
    """At the root, because a worker may only serve pages below its own address. A browser asks for it anew by itself."""

    def initialize(self, script: bytes) -> None:
        self._script = script

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'")

    @public
    def get(self) -> None:
        self.set_header("Content-Type", _TYPES[".js"])
        self.set_header("Cache-Control", "no-cache")
        self.finish(self._script)

    @public
    def head(self) -> None:
        self.get()


class StaticFiles(StaticFileHandler):
    """Files below `static/`; Tornado keeps paths inside the folder, we keep hidden files out."""

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")

    @public
    async def get(self, path: str, include_body: bool = True) -> None:
        if any(part.startswith(".") for part in path.split("/")) or "\0" in path:
            raise HTTPError(404)
        await super().get(path, include_body)

    @public
    async def head(self, path: str) -> None:
        await self.get(path, include_body=False)

    def get_content_type(self) -> str:
        assert self.absolute_path is not None
        return _TYPES.get(Path(self.absolute_path).suffix.lower(), "application/octet-stream")

    def set_extra_headers(self, path: str) -> None:
        cached = f"public, max-age={_LIBRARY_SECONDS}" if path.startswith(_LIBRARIES) else "no-cache"
        self.set_header("Cache-Control", cached)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish("Not found" if status_code in (403, 404) else "This cannot be answered")


def given(file: Path) -> dict[str, Any]:
    """What `Page` shows."""
    page = file.read_bytes()
    return {"page": page, "policy": content_security_policy(page)}


def routes(folder: Path) -> list[Route]:
    """The pages' routes; reads the pages, so that each policy fits its page."""
    page = given(folder / "index.html")
    return [
        Route("/", Page, extra=page),
        Route("/admin", Page, extra=given(folder / "admin.html")),
        *(Route(path, LinkPage, extra=page) for path in LINKS),
        Route("/sw.js", ServiceWorker, extra={"script": (folder / "sw.js").read_bytes()}),
        Route("/static/(.*)", StaticFiles, extra={"path": str(folder)}),
    ]
