"""Operations applied in memory: what is refused, what is written, and that the refused ones leave no trace."""

from datetime import timedelta
from typing import Any

import pytest

from config import outgoing
from hub.batch import Batch, HoldGone, Outcome, Snapshot
from hub.errors import Code, HubError
from hub.notifications import notice
from hub.operations import (
    Applied,
    Delete,
    ExtendHold,
    HoldChange,
    Insert,
    Leg,
    NewEvent,
    Operation,
    PlaceHold,
    Receipt,
    SettleHold,
    Update,
)
from models import wallets
from models.clock import now
from models.database import Document

MADE_AT = now()
WRITTEN_AT = MADE_AT + timedelta(seconds=30)


def _wallet(user: str = "ada", **fields: Any) -> Document:
    return wallets.new_wallet(user, "epoch", MADE_AT) | {"version": 7} | fields


def _hold(amount: int, hold: str = "h1", wallet: str = "ada") -> Document:
    return {"_id": hold, "wallet": wallet, "amount": amount, "node": "node_1"}


def _batch(*found: Document, holds: tuple[Document, ...] = (), taken: Any = ()) -> Batch:
    snapshot = Snapshot({row["_id"]: row for row in found}, {row["_id"]: row for row in holds}, set(taken))
    return Batch(snapshot, WRITTEN_AT)


def _pay(amount: int, operation: str = "op", user: str = "ada") -> Operation:
    return Operation(operation, legs=[Leg(user, "credit", "usage", amount, "test")], created_at=MADE_AT)


def _place(want: int, at_least: int = 1, hold: str = "h1") -> PlaceHold:
    return PlaceHold(hold, "ada", want, at_least, "node_1", WRITTEN_AT, "stream", "msg", "gpt-4", 10)


def _settle(charge: int, hold: str = "h1") -> SettleHold:
    return SettleHold(hold, "ada", charge, "usage")


def _apply_holds(batch: Batch, *changes: HoldChange) -> Outcome:
    return batch.apply(Operation("h1", holds=changes))


def _stands(outcome: Outcome) -> Applied:
    assert outcome.applied is not None, outcome.error
    return outcome.applied


def _receipt(outcome: Outcome) -> Receipt:
    receipt = _stands(outcome).receipt
    assert receipt is not None
    return receipt


def _refusal(outcome: Outcome) -> Code:
    assert isinstance(outcome.error, HubError) and outcome.applied is None and not outcome.events
    return outcome.error.code


def test_a_leg_moves_the_balance_and_says_so() -> None:
    batch = _batch(_wallet(credits=100))
    state = _stands(batch.apply(_pay(-30))).wallets["ada"]
    assert (state.credits, state.seq, state.version) == (70, 1, 8)
    (entry,) = batch.writes().inserts["entries"]
    assert (entry["amount"], entry["balance_after"], entry["seq"], entry["operation"]) == (-30, 70, 1, "op")


def test_entries_form_a_chain() -> None:
    batch = _batch(_wallet(credits=100))
    for number in range(5):
        _stands(batch.apply(_pay(-1, f"op{number}")))
    entries = batch.writes().inserts["entries"]
    assert [entry["seq"] for entry in entries] == [1, 2, 3, 4, 5]
    heads = [wallets.GENESIS, *[entry["hash"] for entry in entries]]
    assert [entry["previous_hash"] for entry in entries] == heads[:-1]
    assert [wallets.entry_hash(entry) for entry in entries] == heads[1:]
    assert batch.wallets["ada"]["head"] == heads[-1]


def test_a_transfer_has_two_legs_under_one_operation() -> None:
    batch = _batch(_wallet(credits=10), _wallet("bob"))
    legs = [Leg("ada", "credit", "gift", -4, "to bob"), Leg("bob", "credit", "gift", 4, "from ada")]
    states = _stands(batch.apply(Operation("gift", legs=legs))).wallets
    assert (states["ada"].credits, states["bob"].credits) == (6, 4)
    assert [entry["leg"] for entry in batch.writes().inserts["entries"]] == [0, 1]


def test_a_transfer_that_one_side_cannot_pay_touches_neither() -> None:
    batch = _batch(_wallet(credits=3), _wallet("bob"))
    legs = [Leg("bob", "credit", "gift", 4, "from ada"), Leg("ada", "credit", "gift", -4, "to bob")]
    assert _refusal(batch.apply(Operation("gift", legs=legs))) is Code.INSUFFICIENT_CREDITS
    assert batch.wallets["bob"]["credits"] == 0


def test_a_hold_is_placed_once() -> None:
    """Or the wallet would hold twice what the one document says."""
    batch = _batch(_wallet(credits=100))
    assert _stands(_apply_holds(batch, _place(10))).held == 10
    assert _refusal(_apply_holds(batch, _place(20))) is Code.CONFLICT
    assert batch.wallets["ada"]["credits_held"] == 10
    _stands(_apply_holds(batch, _settle(5)))
    assert _refusal(_apply_holds(batch, _place(20))) is Code.CONFLICT


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        (_pay(-101), Code.INSUFFICIENT_CREDITS),
        (_pay(10**18), Code.INVALID),
        (Operation("op", legs=[Leg("ada", "point", "reward", -1, "")]), Code.INSUFFICIENT_CREDITS),
        (_pay(1, user="nobody"), Code.NOT_FOUND),
        (Operation("op", holds=[_place(10, at_least=101)]), Code.INSUFFICIENT_CREDITS),
        (Operation("op", events=[NewEvent("ada", "x", {})], legs=[Leg("ada", "point", "gift", -1, "")]), None),
    ],
)
def test_a_refused_operation_leaves_no_trace(operation: Operation, code: Code | None) -> None:
    batch = _batch(_wallet(credits=100))
    refused = Insert("users", {"_id": "u"}, unique=("_id",))
    operation.inserts, operation.updates, operation.deletes = [refused], [Update("m", {}, {})], [Delete("m", {})]
    assert _refusal(batch.apply(operation)) is (code or Code.INSUFFICIENT_CREDITS)
    assert batch.taken == set() and batch.changed_wallets() == []
    writes = batch.writes()
    assert not any(any(kind.values()) for kind in (writes.inserts, writes.updates, writes.deletes))
    assert not any(any(kind.values()) for kind in (writes.guarded_updates, writes.guarded_deletes))


def test_what_is_held_cannot_be_spent() -> None:
    batch = _batch(_wallet(credits=100, credits_held=60))
    assert _refusal(batch.apply(_pay(-41))) is Code.INSUFFICIENT_CREDITS
    assert _stands(batch.apply(_pay(-40))).wallets["ada"].available == 0


def test_a_hold_takes_what_there_is() -> None:
    batch = _batch(_wallet(credits=100, credits_held=70))
    assert _stands(batch.apply(Operation("p", holds=[_place(50)]))).held == 30
    assert _refusal(batch.apply(Operation("q", holds=[_place(50, hold="h2")]))) is Code.INSUFFICIENT_CREDITS


def test_an_extension_takes_what_there_is_and_perhaps_nothing() -> None:
    batch = _batch(_wallet(credits=100, credits_held=70), holds=(_hold(70),))
    assert _stands(_apply_holds(batch, ExtendHold("h1", "ada", 20))).held == 90
    assert _stands(_apply_holds(batch, ExtendHold("h1", "ada", 20))).held == 100
    assert _stands(_apply_holds(batch, ExtendHold("h1", "ada", 20))).held == 100
    writes = batch.writes()
    assert writes.guarded_updates["holds"] == [({"_id": "h1", "amount": 70}, {"$set": {"amount": 100}})]


@pytest.mark.parametrize(("charge", "charged"), [(0, 0), (1, 1), (70, 70), (71, 70), (10**12, 70)])
def test_a_settlement_charges_at_most_what_is_held(charge: int, charged: int) -> None:
    batch = _batch(_wallet(credits=100, credits_held=70), holds=(_hold(70),))
    assert _receipt(_apply_holds(batch, _settle(charge))) == Receipt(
        hold=70, charged=charged, released=70 - charged, balance_after=100 - charged, seq=1 if charged else 0
    )
    assert batch.wallets["ada"]["credits_held"] == 0
    writes = batch.writes()
    assert [entry["operation"] for entry in writes.inserts["entries"]] == (["h1"] if charged else [])
    assert writes.guarded_deletes["holds"] == [{"_id": "h1", "amount": 70}]


def test_a_hold_settles_once() -> None:
    batch = _batch(_wallet(credits=100, credits_held=70), holds=(_hold(70),))
    _stands(_apply_holds(batch, _settle(50)))
    for change in (_settle(50), ExtendHold("h1", "ada", 1)):
        assert isinstance(_apply_holds(batch, change).error, HoldGone)
    assert batch.wallets["ada"]["credits"] == 50


def test_a_hold_may_live_and_die_within_one_batch() -> None:
    batch = _batch(_wallet(credits=100))
    _stands(batch.apply(Operation("place:h1", holds=[_place(40)])))
    assert _stands(_apply_holds(batch, ExtendHold("h1", "ada", 20))).held == 60
    assert _receipt(_apply_holds(batch, _settle(55))).released == 5
    writes = batch.writes()
    assert not any(kind["holds"] for kind in (writes.inserts, writes.guarded_updates, writes.guarded_deletes))
    assert (batch.wallets["ada"]["credits"], batch.wallets["ada"]["credits_held"]) == (45, 0)


def test_a_hold_placed_and_extended_in_one_batch_is_inserted_as_it_ends() -> None:
    batch = _batch(_wallet(credits=100))
    batch.apply(Operation("place:h1", holds=[_place(40)]))
    batch.apply(Operation("more", holds=[ExtendHold("h1", "ada", 20)]))
    assert [hold["amount"] for hold in batch.writes().inserts["holds"]] == [60]


@pytest.mark.parametrize("change", [_settle(-1), ExtendHold("h1", "ada", -1), SettleHold("h1", "bob", 1, "")])
def test_what_would_mint_is_an_error_of_ours(change: HoldChange) -> None:
    batch = _batch(_wallet(credits=100, credits_held=70), _wallet("bob"), holds=(_hold(70),))
    with pytest.raises(AssertionError):
        _apply_holds(batch, change)


def test_a_twin_fails_alone_with_its_own_words() -> None:
    batch = _batch(_wallet(credits=9), taken={("users", "email_key", "old@x")})

    def sign_up(operation: str, email: str) -> Outcome:
        insert = Insert("users", {"email_key": email}, ("email_key",), lambda name: HubError(Code.IN_FLIGHT, name))
        return batch.apply(Operation(operation, inserts=[insert], legs=_pay(-3).legs))

    assert _refusal(sign_up("a", "old@x")) is Code.IN_FLIGHT
    _stands(sign_up("b", "new@x"))
    assert _refusal(sign_up("c", "new@x")) is Code.IN_FLIGHT
    assert batch.wallets["ada"]["credits"] == 6
    assert [row["email_key"] for row in batch.writes().inserts["users"]] == ["new@x"]


def test_an_operation_with_an_outside_id_is_done_once() -> None:
    batch = _batch(_wallet(), taken={("entries", "operation", "payment:1")})
    for operation, code in (("payment:1", Code.CONFLICT), ("payment:2", None), ("payment:2", Code.CONFLICT)):
        paid = _pay(10, operation)
        paid.once = True
        outcome = batch.apply(paid)
        assert (_refusal(outcome) if code else _stands(outcome) and None) is code
    assert batch.wallets["ada"]["credits"] == 10


def test_offsets_have_no_gap_though_some_are_refused() -> None:
    batch = _batch(_wallet(credits=4, offset=10))
    for number, amount in enumerate((-1, -100, -1, -100, -1)):
        operation = _pay(amount, f"op{number}")
        operation.events = [NewEvent("ada", "paid", {}), NewEvent("ada", "told", {})]
        batch.apply(operation)
    events = batch.writes().inserts["events"]
    assert [event["offset"] for event in events] == [11, 12, 13, 14, 15, 16]
    assert {(event["channel"], event["epoch"]) for event in events} == {("user:ada", "epoch")}


def test_documents_and_events_may_tell_the_receipt() -> None:
    batch = _batch(_wallet(credits=100, credits_held=70), holds=(_hold(70),))

    def told(receipt: Receipt | None) -> Document:
        return {"charged": receipt.charged if receipt else None}

    operation = Operation("h1", holds=[_settle(50)], events=[NewEvent("ada", "x", told)])
    operation.inserts, operation.updates = [Insert("usage", told)], [Update("messages", {"_id": 1}, told)]
    (event,) = batch.apply(operation).events
    writes = batch.writes()
    assert event["data"] == writes.inserts["usage"][0] == writes.updates["messages"][0][1] == {"charged": 50}


def test_a_new_wallet_can_be_used_at_once() -> None:
    batch = _batch()
    _stands(batch.apply(Operation("signup", new_wallets=["eve"], legs=_pay(5, user="eve").legs)))
    assert _stands(batch.apply(_pay(-2, user="eve"))).wallets["eve"].credits == 3
    (wallet,) = batch.writes().inserts["wallets"]
    assert (wallet["credits"], wallet["seq"], wallet["version"]) == (3, 2, 0)


def test_a_wallet_is_written_once_under_its_version_in_the_order_of_ids() -> None:
    batch = _batch(_wallet("zoe", credits=9), _wallet(credits=9), _wallet("idle"))
    for user in ("zoe", "ada", "zoe"):
        _stands(batch.apply(_pay(-1, user=user)))
    assert sorted(wallet["_id"] for wallet in batch.changed_wallets()) == ["ada", "zoe"]
    updates = batch.writes().guarded_updates["wallets"]
    assert [query for query, _ in updates] == [{"_id": "ada", "version": 7}, {"_id": "zoe", "version": 7}]
    assert [change["$set"]["version"] for _, change in updates] == [8, 8]
    assert {change["$set"]["updated_at"] for _, change in updates} == {WRITTEN_AT}


def test_credits_spent_are_neither_points_nor_grants() -> None:
    batch = _batch(_wallet(credits=100, points=50))
    _stands(batch.apply(_pay(-30)))
    legs = [Leg("ada", "point", "usage", -20, "test"), Leg("ada", "credit", "bonus", 10, "test")]
    _stands(batch.apply(Operation("other", legs=legs)))
    assert batch.apply(_pay(-500, "refused")).error is not None
    assert batch.spent_micro == 30


@pytest.mark.parametrize(
    ("media", "stored", "told"),
    [
        ({}, ["email", "push", "inApp"], 1),
        ({"inApp": False}, ["email", "push"], 0),
        ({"email": False, "push": False, "inApp": False}, None, 0),
    ],
)
def test_a_notice_stands_as_far_as_it_is_wanted(media: dict[str, bool], stored: list[str] | None, told: int) -> None:
    settings = {"ada": {"_id": "ada", "categories": {"billing": media}}}
    batch = Batch(Snapshot({"ada": _wallet()}, {}, set(), settings), WRITTEN_AT)
    insert, event = notice("ada", "info", "billing", "T", "M")
    outcome = batch.apply(Operation("op", inserts=[insert], events=[event, NewEvent("ada", "paid", {})]))
    _stands(outcome)
    assert [made["type"] for made in outcome.events] == ["notification.created", "paid"][1 - told :]
    assert [made["offset"] for made in outcome.events] == list(range(1, told + 2))
    writes = batch.writes()
    rows = writes.inserts["notifications"]
    assert [row["media"] for row in rows] == ([] if stored is None else [stored])
    leaving = [medium for medium in stored or [] if medium != "inApp"]
    assert [row["untold"] for row in rows] == [leaving][: len(rows)]
    jobs = writes.upserts.get("notice_jobs", [])
    assert [query for query, _ in jobs] == [{"_id": f"{medium}:ada"} for medium in leaving]


def test_nothing_leaves_the_hub_that_is_wanted_in_it_alone() -> None:
    settings = {"ada": {"_id": "ada", "media": {"email": False, "push": False}}}
    batch = Batch(Snapshot({"ada": _wallet()}, {}, set(), settings), WRITTEN_AT)
    insert, _ = notice("ada", "info", "billing", "T", "M")
    _stands(batch.apply(Operation("op", inserts=[insert])))
    writes = batch.writes()
    assert "untold" not in writes.inserts["notifications"][0] and "notice_jobs" not in writes.upserts


def test_notices_of_one_batch_count_for_one_job() -> None:
    batch = _batch(_wallet())
    for name in ("one", "two"):
        insert, _ = notice("ada", "info", "billing", "T", "M")
        _stands(batch.apply(Operation(name, inserts=[insert])))
    changes = [change for query, change in batch.writes().upserts["notice_jobs"] if query["_id"] == "email:ada"]
    assert [change["$inc"] for change in changes] == [{"count": 1}] * 2
    gathered = WRITTEN_AT + timedelta(seconds=outgoing.NOTICE_GATHER_SECONDS["email"])
    assert [change["$setOnInsert"]["due_at"] for change in changes] == [gathered] * 2


def test_a_document_may_hold_what_is_known_only_when_applied() -> None:
    batch = _batch(_wallet(points=100))

    def result(applied: Applied) -> Document:
        return {"balance": applied.wallets["ada"].points, "transaction": applied.entry_ids[0]}

    outcome = batch.apply(
        Operation(
            "op",
            legs=[Leg("ada", "point", "usage", -40, "test")],
            inserts=[Insert("replies", {"_id": "r"}, unique=("_id",), result=result)],
            updates=[Update("rows", {"_id": "x"}, {"$set": {"status": "done"}}, result=result)],
        )
    )
    assert outcome.applied is not None
    known = {"balance": 60, "transaction": outcome.applied.entry_ids[0]}
    writes = batch.writes()
    assert writes.inserts["replies"] == [{"_id": "r", **known}]
    assert writes.updates["rows"] == [({"_id": "x"}, {"$set": {"status": "done", **known}})]
