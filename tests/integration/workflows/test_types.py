"""The types of nodes: each is in every table that lists them, and in test mode none does more than it is known to do."""

import pytest

from hub.workflows.definitions.node_types import NODES
from hub.workflows.definitions.rendered import SCHEMAS
from hub.workflows.running.runners.runners import IN_ONE_WRITE
from hub.workflows.running.runners.tested import TESTED, UNTESTED
from tests.integration.workflows.owner import Owner, http_request, manual
from tests.site import Site
from tests.stand_ins.webhook_receiver import WebhookReceiver


@pytest.mark.gen_test
async def test_each_type_is_in_every_table(site: Site) -> None:
    runners = site.services.automation.engine.runners
    assert set(runners) == set(NODES) == set(SCHEMAS) == UNTESTED | set(TESTED)
    assert not UNTESTED & set(TESTED) and set(NODES) >= IN_ONE_WRITE


@pytest.mark.gen_test(timeout=60)
async def test_a_type_of_which_nothing_is_known_does_nothing_in_test_mode(
    calling_site: Site, receiver: WebhookReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(TESTED, "http_request")
    owner = await Owner.at(calling_site)
    ended = await owner.executed(manual("t>a", a=http_request(receiver.url("a"))), test_mode=True)
    assert ended["status"] == "failed" and not receiver.got["a"]
