"""`hub/tasks.py`: no task is lost, no failure is silent, and the end has a bound."""

import asyncio
import gc
from typing import Any

import pytest
from structlog.testing import capture_logs

from config import limits
from hub.tasks import Tasks, cancel
from models.errors import DatabaseUnavailable
from tests.patience import until


async def _wait_for(event: asyncio.Event) -> str:
    await event.wait()
    return "done"


async def _fail() -> None:
    raise LookupError("broken on purpose")


def _errors(logs: list[Any]) -> list[tuple[str, str]]:
    return [(entry["event"], entry["task"]) for entry in logs if entry["log_level"] == "error"]


def test_a_running_task_is_held_and_counted() -> None:
    async def scenario() -> None:
        tasks, event = Tasks(), asyncio.Event()
        started = tasks.start(_wait_for(event), "waiter")
        gc.collect()
        assert (len(tasks), started.get_name()) == (1, "waiter")
        event.set()
        assert await started == "done"
        assert await tasks.wait(1)
        assert len(tasks) == 0

    asyncio.run(scenario())


def test_a_failure_is_logged_and_counted() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        tasks.start(_fail(), "breaker")
        assert await tasks.wait(1)
        assert tasks.failures == 1

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert _errors(logs) == [("task failed", "breaker")]
    assert isinstance(logs[0]["exc_info"], LookupError)


@pytest.mark.parametrize(
    ("error", "level"), [(DatabaseUnavailable("the database is away"), "warning"), (LookupError("ours"), "error")]
)
def test_a_round_that_fails_is_logged_and_the_next_one_comes(error: Exception, level: str) -> None:
    async def scenario() -> None:
        tasks, rounds = Tasks(), 0

        async def work() -> None:
            nonlocal rounds
            rounds += 1
            if rounds == 1:
                raise error

        tasks.repeat(work, 0.001, "rounds")
        await until(lambda: rounds > 1)
        assert tasks.failures == 1
        await tasks.close(1)

    with capture_logs() as logs:
        asyncio.run(scenario())
    (told,) = logs
    assert (told["event"], told["task"], told["log_level"]) == ("a round failed", "rounds", level)
    assert ("exc_info" in told) is (level == "error")


def test_close_cancels_and_awaits_the_clean_up() -> None:
    cleaned: list[str] = []

    async def tidy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("yes")

    async def scenario() -> None:
        tasks = Tasks()
        task = tasks.start(tidy(), "tidy")
        await asyncio.sleep(0)
        await tasks.close(1)
        assert task.cancelled()
        assert tasks.failures == 0

    asyncio.run(scenario())
    assert cleaned == ["yes"]


def test_close_gives_up_on_a_task_that_will_not_end() -> None:
    async def stubborn(release: asyncio.Event) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async def scenario() -> None:
        tasks, release = Tasks(), asyncio.Event()
        tasks.start(stubborn(release), "stubborn")
        await asyncio.sleep(0)
        await tasks.close(0.01)
        assert len(tasks) == 1
        release.set()
        assert await tasks.wait(1)

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert _errors(logs) == [("task did not end when cancelled", "stubborn")]


def test_close_cancels_again_who_lost_it_and_not_who_went_on_knowingly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CANCEL_AGAIN_SECONDS", 0.02)
    done: list[str] = []

    async def losing() -> None:
        """As the driver does when an answer and the cancellation come together."""
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        await asyncio.Event().wait()

    async def settling() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
        await asyncio.sleep(0.1)
        done.append("settled")

    async def scenario(by_whole: bool) -> None:
        tasks = Tasks()
        started = [tasks.start(losing(), "losing"), tasks.start(settling(), "settling")]
        await asyncio.sleep(0)
        await (tasks.close(1) if by_whole else cancel(started, 1))
        assert len(tasks) == 0

    with capture_logs() as logs:
        asyncio.run(scenario(by_whole=True))
        asyncio.run(scenario(by_whole=False))
    assert done == ["settled"] * 2 and _errors(logs) == []


def test_wait_is_bounded_and_sees_tasks_started_meanwhile() -> None:
    async def scenario() -> None:
        tasks, event = Tasks(), asyncio.Event()

        async def parent() -> None:
            tasks.start(_wait_for(event), "child")

        tasks.start(parent(), "parent")
        assert not await tasks.wait(0.01)
        event.set()
        assert await tasks.wait(1)

    asyncio.run(scenario())


def test_a_task_may_close_its_own_set() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        await tasks.start(tasks.close(1), "closer")
        assert await tasks.wait(1)

    asyncio.run(scenario())


def test_nothing_starts_after_the_end() -> None:
    async def scenario() -> None:
        tasks = Tasks()
        await tasks.close(0)
        with pytest.raises(RuntimeError, match="late"):
            tasks.start(_wait_for(asyncio.Event()), "late")

    asyncio.run(scenario())
