"""What answers cost their users, as the live monitoring shows it."""

import asyncio
import time

import pytest

from config import limits
from tests.integration.monitor.watching import METRICS, administrator, charged_for_answer, sample_with, samples, spent
from tests.site import Site

ANSWERS = 6
NEAR = 0.03


@pytest.mark.gen_test
async def test_credits_per_second_add_up_to_what_the_receipts_charged(site: Site) -> None:
    """Whenever they are charged: answers of different lengths, which begin in different seconds."""
    client, _ = await administrator(site)
    await client.request("subscribe", channel=METRICS)
    await sample_with(client, lambda sample: True)
    token = await site.token()
    asking = []
    for number in range(ANSWERS):
        asking.append(asyncio.create_task(charged_for_answer(site, token, max_tokens=20 + 40 * number)))
        await sample_with(client, lambda sample: True)
    charged = sum(await asyncio.gather(*asking))
    ended = time.time()
    await sample_with(client, lambda sample: sample["time"] > ended + 2 * limits.METRIC_SAMPLE_SECONDS)
    assert spent(client) == pytest.approx(charged, rel=NEAR)
    assert sum(sample["credits_per_second"] > 0 for sample in samples(client)) > 1
