"""The fixtures of a served hub, for this folder."""

from tests.site import serve, site

__all__ = ["serve", "site"]
