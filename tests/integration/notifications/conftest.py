"""The fixtures of a served hub, for this folder."""

from tests.site import https_site, limited_site, serve, site

__all__ = ["https_site", "limited_site", "serve", "site"]
