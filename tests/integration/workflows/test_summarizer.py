"""The documents' own workflow, end to end: its webhook is posted to, and the summary arrives by mail."""

from typing import Any

import orjson
import pytest

from hub.webhooks import signatures
from tests.contract.examples import unlike
from tests.contract.rows import AI_ASSISTANT, SUMMARIZER
from tests.integration.workflows.author import Author
from tests.integration.workflows.owner import ALL, outputs
from tests.patience import until
from tests.site import Site
from tests.stand_ins.smtp_server import Inbox

MAIL = {"email": {"from": "ada@example.com", "subject": "Plans", "body": "We meet on Monday, and on Tuesday we rest."}}


def documented(method: str, path: str) -> Any:
    """The example that the document has of an answer."""
    (answer,) = (row.answer for row in AI_ASSISTANT if (row.method, row.path) == (method, path))
    return answer


@pytest.mark.gen_test(timeout=60)
async def test_a_mail_is_summarized_and_the_summary_is_mailed(mailing_site: Site, inbox: Inbox) -> None:
    who = await Author.of(mailing_site)
    made = (await who.client.post(ALL, SUMMARIZER, status=201)).body
    assert unlike(documented("POST", ALL), made) == []
    begun = (await who.posts(made, MAIL)).body
    assert unlike(documented("POST", f"{ALL}/workflow_id/execute"), begun) == []
    ended = await who.ended(made, begun["execution_id"])
    assert ended["status"] == "completed", ended
    await until(lambda: any(to == ["ada@example.com"] for _, to, _ in inbox.mails))
    letter = next(each for each in inbox.letters if each["To"] == "ada@example.com")
    summary = next(step for step in ended["steps"] if step["node"] == "node_1")["output"]
    body = letter.get_body(("plain",))
    assert letter["Subject"] == "Summary" and summary and body is not None
    assert " ".join(summary.split()) in " ".join(body.get_content().split())


@pytest.mark.gen_test(timeout=60)
async def test_the_execution_is_shown_as_it_is_documented(mailing_site: Site) -> None:
    who = await Author.of(mailing_site)
    made = (await who.client.post(ALL, SUMMARIZER, status=201)).body
    before = await who.balance()
    ended = await who.ended(made, (await who.posts(made, MAIL)).body["execution_id"])
    assert unlike(documented("GET", f"{ALL}/workflow_id/executions/exec_123"), ended) == []
    assert orjson.loads(ended["result"]["output"]) == ended["result"]["value"] == outputs(ended)["node_2"]
    assert "Starting node_1" in [line["message"] for line in ended["logs"]]
    assert round(before - await who.balance(), 6) == ended["result"]["credits_used"] > 0
    (listed,) = (await who.client.get(ALL)).body["workflows"]
    assert listed["execution_count"] == 1 and listed["last_execution"] == ended["started_at"]
    assert (listed["trigger_type"], listed["trigger_config"]) == ("webhook", {"path": "/webhooks/email"})


@pytest.mark.gen_test(timeout=60)
async def test_signed_as_the_documents_show_it_runs_too(mailing_site: Site) -> None:
    who = await Author.of(mailing_site)
    made = (await who.client.post(ALL, SUMMARIZER, status=201)).body
    body = b'{"email": {"from": "ada@example.com", "body": "Short."}}'
    signed = {"X-Webhook-Signature": signatures.plain(body, made["webhook_secret"])}
    begun = (await who.posts(made, body, headers=signed)).body
    assert (await who.ended(made, begun["execution_id"]))["status"] == "completed"


@pytest.mark.gen_test(timeout=60)
async def test_in_test_mode_nothing_leaves(mailing_site: Site, inbox: Inbox) -> None:
    who = await Author.of(mailing_site)
    made = (await who.client.post(ALL, SUMMARIZER, status=201)).body
    ended = await who.ended(made, await who.begin(made, data=MAIL, test_mode=True))
    assert ended["status"] == "completed" and ended["test_mode"]
    assert await mailing_site.services.database["workflow_letters"].count({}) == 0
    assert [to for _, to, _ in inbox.mails if to == ["ada@example.com"]] == []
