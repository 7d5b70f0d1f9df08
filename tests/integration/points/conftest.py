"""The fixtures of a served hub, for this folder."""

from tests.site import limited_site, serve, site

__all__ = ["limited_site", "serve", "site"]
