"""The fixtures of a served hub whose Google is a stand-in."""

from tests.google_site import google, google_site
from tests.site import serve, site

__all__ = ["google", "google_site", "serve", "site"]
