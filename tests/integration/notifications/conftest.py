"""The fixtures of a served hub, for this folder, and of a mail server."""

from tests.mailing_site import inbox, mailing_site, smtp_port
from tests.site import https_site, limited_site, serve, site

__all__ = ["https_site", "inbox", "limited_site", "mailing_site", "serve", "site", "smtp_port"]
