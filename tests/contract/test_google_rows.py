"""The documented examples that need an account at Google, one after the other, with Google played by a stand-in."""

import pytest

from hub.integrations.google_consent import CALLBACK
from tests.contract.examples import analysed, asked, filled
from tests.contract.rows import AT_GOOGLE, HOSTS
from tests.google_site import google, google_site
from tests.site import Site
from tests.stand_ins.google_cloud import GoogleCloud

__all__ = ["google", "google_site"]


@pytest.mark.gen_test
async def test_each_example_is_answered_as_documented(google_site: Site, google: GoogleCloud) -> None:
    client = google_site.client("ai_assistant", cookie=await google_site.cookie())
    headers = {"Host": HOSTS["ai_assistant"]}
    facts = await analysed(client)
    callback = f"{google_site.services.settings.public_url}{CALLBACK}"
    first = {"integration_type": "google", "oauth_code": google.code(callback)}
    await client.post("/api/integrations/connect", first)
    for row in AT_GOOGLE:
        body = filled(row.body, {**facts, "code": google.code(callback)})
        # Tornado's client says of no body that it is a form, which no other client does, and the cookie is not for.
        sent = headers if body is not None else {**headers, "Content-Type": "application/json"}
        assert await asked(client, row, row.path, body, sent) == [], row.name
