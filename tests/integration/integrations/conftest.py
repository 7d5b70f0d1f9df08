"""The fixtures of a served hub whose Google, or Telegram, is a stand-in."""

from tests.google_site import google, google_site
from tests.site import serve, site
from tests.telegram_site import telegram, telegram_site

__all__ = ["google", "google_site", "serve", "site", "telegram", "telegram_site"]
