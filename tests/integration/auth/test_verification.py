"""The address's confirmation: a mail at sign-up, its link, and a further one."""

import pytest

from hub.identity import Registration
from hub.letters import SUBJECTS
from tests.outbox import letter_to, link_in, token_in
from tests.site import Site

VERIFY, RESEND = "/api/auth/verify-email", "/api/auth/resend-verification"
EMAIL = "user1@example.com"


async def mailed(site: Site, number: int = 1) -> str:
    return token_in(await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["verify"], number))


@pytest.mark.gen_test
async def test_the_link_of_the_first_mail_confirms_the_address(site: Site) -> None:
    registered = await site.register(firstName="<Ada>")
    assert registered["data"]["user"]["emailVerified"] is False
    letter = await letter_to(site.services.settings.data_dir, EMAIL, SUBJECTS["verify"])
    assert link_in(letter).startswith(f"{site.services.settings.public_url}/auth/verify?token=")
    html = letter.get_body(("html",))
    assert html is not None and "&lt;Ada&gt;" in html.get_content()
    answer = await site.client().post(VERIFY, {"token": token_in(letter)})
    assert answer.data == {"emailVerified": True}
    me = await site.client(token=registered["access_token"]).get("/api/users/me")
    assert me.data["emailVerified"] is True
    events = await site.services.database["events"].find({"type": "user.updated"}, limit=5)
    assert [event["data"]["changed"] for event in events] == [["email_verified"]]


@pytest.mark.gen_test
async def test_a_link_works_once_and_for_the_address_it_was_mailed_to(site: Site) -> None:
    registered = await site.register()
    token = await mailed(site)
    user = registered["data"]["user"]["id"]
    await site.services.identities.change_user(user, {"email": "new@example.com", "email_key": "new@example.com"})
    await site.client().post(VERIFY, {"token": token}, status=422)
    await site.services.identities.change_user(user, {"email": EMAIL, "email_key": EMAIL})
    await site.client().post(VERIFY, {"token": token})
    await site.client().post(VERIFY, {"token": token}, status=422)


@pytest.mark.gen_test
async def test_a_further_mail_and_none_when_it_is_done(site: Site) -> None:
    client = site.client(token=await site.token())
    first = await mailed(site)
    await client.post(RESEND)
    second = await mailed(site, number=2)
    await site.client().post(VERIFY, {"token": second})
    await site.client().post(VERIFY, {"token": first}, status=422)
    answer = await client.post(RESEND)
    assert answer.body["message"] == "Your address is confirmed already"
    assert await site.services.database["mails"].count({}) == 0
    await site.client().post(RESEND, status=401)


@pytest.mark.gen_test
async def test_further_mails_are_counted(limited_site: Site) -> None:
    client = limited_site.client(token=await limited_site.token())
    for _ in range(3):
        await client.post(RESEND)
    await client.post(RESEND, status=429)


@pytest.mark.gen_test
async def test_the_operators_own_users_get_no_mail(site: Site) -> None:
    await site.services.identities.create(Registration("admin@example.com", "correct horse"), role="admin")
    assert await site.services.database["mails"].count({}) == 0
