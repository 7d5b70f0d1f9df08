"""Where a redirect leads, for whoever follows some: SafeHttp follows none, and looks at each address that it calls."""

from urllib.parse import urldefrag, urljoin, urlsplit


class Misled(Exception):
    """A redirect that leads nowhere, or where none may; the message says why, for whoever gave the address."""


def led_to(url: str, location: str | None) -> str:
    """The address, which is looked at when it is called. Raises `Misled`, and `ValueError` for what is none."""
    if not location:
        raise Misled("The address redirects to nowhere")
    led = urldefrag(urljoin(url, location)).url
    if urlsplit(url).scheme == "https" and urlsplit(led).scheme == "http":
        raise Misled("The address redirects from https to http")
    return led
