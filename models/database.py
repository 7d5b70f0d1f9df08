"""The one place that talks to the MongoDB driver: connection, transactions, errors, indexes.

    committer --body(tx)--> Database.transaction() --with_transaction--> mongod
    families  ------------> Collection (reads and single writes, bounded in time)

The driver's errors leave here only as `DatabaseError`s. Nothing here knows a collection's meaning.
"""

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, TypeVar

import pymongo
import structlog
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient, ReturnDocument
from pymongo import errors as driver
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import ReadPreference
from pymongo.write_concern import WriteConcern

from config import limits
from models.collection_shape import CollectionShape, Index
from models.errors import Conflict as Conflict  # these leave here, and are part of what this module is to others
from models.errors import DatabaseError as DatabaseError
from models.errors import DatabaseUnavailable as DatabaseUnavailable
from models.errors import DuplicateKey as DuplicateKey
from models.errors import OutcomeUnknown as OutcomeUnknown
from models.errors import TookTooLong as TookTooLong
from models.errors import UnusableServer as UnusableServer
from models.gathered import Gathered
from models.heartbeat import Heartbeat

Document = dict[str, Any]
Query = Mapping[str, Any]
Change = Query | Sequence[Query]  # operators, or a pipeline of them
T = TypeVar("T")
NEWEST_FIRST: Final = (("created_at", -1), ("_id", -1))  # of what carries the moment when it was made

log = structlog.get_logger(__name__)

_AWARE = CodecOptions[Document](document_class=dict, tz_aware=True)
_WRITE_CONFLICT = 112
_NAMESPACE_EXISTS = 48


def by_age(newest_first: bool) -> Sequence[tuple[str, int]]:
    """The order that `NEWEST_FIRST` is, or its reverse."""
    return NEWEST_FIRST if newest_first else [(name, 1) for name, _ in NEWEST_FIRST]


@contextmanager
def _translated() -> Any:
    """Turn the driver's errors into ours."""
    try:
        yield
    except driver.DuplicateKeyError as error:
        raise DuplicateKey(str(error)) from error
    except driver.PyMongoError as error:
        if error.has_error_label("UnknownTransactionCommitResult") or isinstance(error, driver.WriteConcernError):
            raise OutcomeUnknown(str(error)) from error
        if error.timeout or isinstance(error, driver.ConnectionFailure | driver.WaitQueueTimeoutError):
            kind = TookTooLong if isinstance(error, driver.ExecutionTimeout) else DatabaseUnavailable
            raise kind(str(error)) from error  # labelled as transient too, once all retries are spent
        if getattr(error, "code", None) == _WRITE_CONFLICT or error.has_error_label("TransientTransactionError"):
            raise Conflict(str(error)) from error
        if isinstance(error, driver.OperationFailure) and error.code == 11_000:
            raise DuplicateKey(str(error)) from error
        raise DatabaseError(str(error)) from error


class Collection:
    """Reads and single-document writes outside the ledger's transactions, each bounded in time."""

    def __init__(self, collection: AsyncCollection[Document]) -> None:
        self._collection = collection

    async def find_one(
        self, query: Query, *, projection: Query | None = None, sort: Sequence[tuple[str, int]] | None = None
    ) -> Document | None:
        with _translated():
            return await self._collection.find_one(
                query, projection, sort=sort, max_time_ms=limits.QUERY_MILLISECONDS_MAX
            )

    async def find(
        self,
        query: Query,
        *,
        limit: int,
        skip: int = 0,
        projection: Query | None = None,
        sort: Sequence[tuple[str, int]] | None = None,
    ) -> list[Document]:
        """At most `limit` documents, in the order of `sort`."""
        cursor = self._collection.find(
            query, projection, limit=limit, skip=skip, sort=sort, max_time_ms=limits.QUERY_MILLISECONDS_MAX
        )
        with _translated():
            return await cursor.to_list()

    async def page(
        self,
        query: Query,
        *,
        skip: int,
        limit: int,
        sort: Sequence[tuple[str, int]] = NEWEST_FIRST,
        projection: Query | None = None,
    ) -> tuple[list[Document], int]:
        """`find`'s documents, and how many match in all."""
        found = await self.find(query, skip=skip, limit=limit, sort=sort, projection=projection)
        return found, await self.count(query)

    async def count(self, query: Query, *, at_most: int | None = None) -> int:
        """How many match; with `at_most` it stops counting there."""
        bound: dict[str, Any] = {} if at_most is None else {"limit": at_most}
        with _translated():
            return await self._collection.count_documents(query, maxTimeMS=limits.QUERY_MILLISECONDS_MAX, **bound)

    async def aggregate(self, stages: Sequence[Query], wait_ms: int = limits.QUERY_MILLISECONDS_MAX) -> list[Document]:
        with _translated():
            cursor = await self._collection.aggregate(stages, maxTimeMS=wait_ms)
            return await cursor.to_list()

    async def scan(self, query: Query, *, sort: Sequence[tuple[str, int]] | None = None) -> Any:
        """Every matching document, in batches and without a time limit: for audits, never for requests."""
        with _translated():
            async for document in self._collection.find(query, sort=sort, batch_size=1_000):
                yield document

    async def insert_one(self, document: Document) -> None:
        with _translated():
            await self._collection.insert_one(document)

    async def update_one(self, query: Query, update: Change, *, upsert: bool = False) -> bool:
        """Whether a document matched (or was made)."""
        with _translated():
            result = await self._collection.update_one(query, update, upsert=upsert)
        return bool(result.matched_count or result.upserted_id is not None)

    async def update_many(self, query: Query, update: Change) -> int:
        with _translated():
            return (await self._collection.update_many(query, update)).modified_count

    async def update_each(self, updates: Sequence[tuple[Query, Change]]) -> None:
        """Update one document each, where it is there, in one round trip; one that fails does not keep the others back."""
        statements = [{"q": query, "u": change} for query, change in updates]
        command = {"update": self._collection.name, "updates": statements, "ordered": False}
        with _translated():
            _raise_write_errors(await self._collection.database.command(command))

    async def find_one_and_update(
        self, query: Query, update: Change, *, upsert: bool = False, before: bool = False, shown: Query | None = None
    ) -> Document | None:
        """The document after the update (or `before` it), as far as `shown`; None where nothing matched."""
        when = ReturnDocument.BEFORE if before else ReturnDocument.AFTER
        with _translated():
            return await self._collection.find_one_and_update(query, update, shown, upsert=upsert, return_document=when)

    async def delete_one(self, query: Query) -> bool:
        with _translated():
            return (await self._collection.delete_one(query)).deleted_count == 1

    async def delete_many(self, query: Query) -> int:
        with _translated():
            return (await self._collection.delete_many(query)).deleted_count

    @asynccontextmanager
    async def watch(self, pipeline: Sequence[Mapping[str, Any]]) -> Any:
        """A change stream; iterate over it for change documents."""
        with _translated():
            async with await self._collection.watch(pipeline) as stream:
                yield stream


class Transaction:
    """The bulk commands of one transaction, each a single round trip.

    Plain commands instead of the driver's bulk API: the same writes cost about half the CPU, and this is the hot path
    of every paid request.
    """

    def __init__(self, database: Any, session: AsyncClientSession) -> None:
        self._database = database
        self._session = session

    async def find(self, collection: str, query: Query, *shown: Query, **options: Any) -> list[Document]:
        """All matches, or with `sort` and `limit` the first; without one the query is bounded by its caller's batch."""
        cursor = self._database[collection].find(query, *shown, session=self._session, batch_size=10_000, **options)
        found: list[Document] = await cursor.to_list()
        return found

    async def insert(self, collection: str, documents: Sequence[Document]) -> None:
        await self._write({"insert": collection, "documents": documents, "ordered": True}, len(documents))

    async def update(
        self,
        collection: str,
        updates: Iterable[tuple[Query, Mapping[str, Any]]],
        *,
        all_match: bool = False,
        upsert: bool = False,
    ) -> None:
        """Update one document each, in order. With `all_match` each must find its document, else `Conflict`; with `upsert`
        it is made where there is none.
        """
        made = {"upsert": True} if upsert else {}
        statements = [{"q": query, "u": change, **made} for query, change in updates]
        command = {"update": collection, "updates": statements, "ordered": True}
        await self._write(command, len(statements) if all_match else None)

    async def delete(self, collection: str, queries: Iterable[Query], *, all_match: bool = False) -> None:
        """Delete one document each. With `all_match` each must find its document, else `Conflict`."""
        statements = [{"q": query, "limit": 1} for query in queries]
        command = {"delete": collection, "deletes": statements, "ordered": True}
        await self._write(command, len(statements) if all_match else None)

    async def _write(self, command: Document, expected: int | None) -> None:
        reply = await self._database.command(command, session=self._session)
        _raise_write_errors(reply)
        if expected is not None and reply["n"] != expected:
            raise Conflict(f"{expected - reply['n']} of {expected} writes found nothing to change")


def _raise_write_errors(reply: Mapping[str, Any]) -> None:
    for error in reply.get("writeErrors", ()):
        if error["code"] == 11_000:
            raise driver.DuplicateKeyError(error["errmsg"], error["code"], error)
        raise driver.WriteError(error["errmsg"], error["code"], error)


class Database:
    """One client, its collections by attribute-like names, and transactions under a deadline."""

    def __init__(self, uri: str, name: str, app_name: str = "hub") -> None:
        self._heartbeat = Heartbeat()
        self._client: AsyncMongoClient[Document] = AsyncMongoClient(
            uri,
            w="majority",
            journal=True,
            readConcernLevel="majority",
            retryWrites=True,
            heartbeatFrequencyMS=500,  # the default of 10 s leaves a commit's outcome unknown (error 91)
            serverSelectionTimeoutMS=2_000,
            connectTimeoutMS=2_000,
            waitQueueTimeoutMS=1_000,
            maxPoolSize=limits.DATABASE_POOL_MAX,
            appName=app_name,
            event_listeners=[self._heartbeat],
        )
        self._database = self._client.get_database(name, codec_options=_AWARE)
        self._gathered: dict[str, Gathered] = {}
        self.name = name

    @property
    def up(self) -> bool:
        """Whether the last heartbeat found a server that takes writes."""
        return self._heartbeat.up

    def call_when_down(self, tell: Callable[[], None]) -> None:
        """Have `tell` called whenever `up` turns false."""
        self._heartbeat.on_down.append(tell)

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._database[name])

    async def by_id(self, collection: str, document_id: str) -> Document | None:
        """One document, read together with others of its collection that are asked for at the same moment."""
        if collection not in self._gathered:
            self._gathered[collection] = Gathered(self[collection].find)
        return await self._gathered[collection].get(document_id)

    async def open(self, shapes: Sequence[CollectionShape]) -> None:
        """Connect, refuse a server without transactions, and make collections, validators and indexes.

        Raises `UnusableServer` or `DatabaseUnavailable`.
        """
        with _translated():
            hello = await self._client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise UnusableServer(
                "This MongoDB is a standalone server, which has no transactions; the hub needs a replica set "
                "(start mongod with --replSet rs0 and run rs.initiate() once) or a sharded cluster."
            )
        with _translated():
            existing = set(await self._database.list_collection_names())
            for shape in shapes:
                await self._make(shape, shape.name in existing)

    async def _make(self, shape: CollectionShape, exists: bool) -> None:
        validator = {"$jsonSchema": shape.schema} if shape.schema else {}
        if not exists:
            exists = not await self._create(shape.name, validator)
        if exists and validator:
            await self._database.command({"collMod": shape.name, "validator": validator})
        if shape.indexes:
            await self._database[shape.name].create_indexes([_index_model(index) for index in shape.indexes])

    @asynccontextmanager
    async def watch(self, pipeline: Sequence[Mapping[str, Any]]) -> Any:
        """A change stream over all collections; iterate over it for change documents."""
        with _translated():
            async with await self._database.watch(pipeline) as stream:
                yield stream

    async def _create(self, name: str, validator: Mapping[str, Any]) -> bool:
        """False where another process, which starts at the same moment, was faster."""
        try:
            await self._database.create_collection(name, validator=validator, check_exists=False)
        except driver.OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise
            return False
        return True

    async def close(self) -> None:
        await self._client.close()

    def new_session(self) -> AsyncClientSession:
        return self._client.start_session()

    async def kill_sessions(self, session_ids: Sequence[Any]) -> None:
        """End what dead processes left open, so that the documents they had touched are unlocked at once."""
        with _translated():
            await self._client.admin.command({"killSessions": list(session_ids)})

    async def transaction(
        self,
        body: Callable[[Transaction], Awaitable[T]],
        *,
        session: AsyncClientSession,
        seconds: float = limits.MONEY_SECONDS_MAX,
    ) -> T:
        """Run `body` in one transaction and commit it, retrying transient failures until the deadline.

        The body may run several times: it must only read and write through its `Transaction`, and let every error out.
        Raises `Conflict`, `DuplicateKey`, `DatabaseUnavailable` (nothing written) or `OutcomeUnknown`.
        """
        started, commit_sent = time.monotonic(), False

        async def run(bound: AsyncClientSession) -> T:
            nonlocal commit_sent
            commit_sent = False
            with pymongo.timeout(self._patience(started)):
                result = await body(Transaction(self._database, bound))
            commit_sent = True
            return result

        try:
            with _translated(), pymongo.timeout(seconds):
                return await session.with_transaction(
                    run,
                    read_concern=ReadConcern("snapshot"),
                    write_concern=WriteConcern("majority", j=True),
                    read_preference=ReadPreference.PRIMARY,
                )
        except Conflict:
            raise  # the server says that nothing stands
        except Exception as error:
            if commit_sent:  # whatever the answer to a commit says, it does not say that nothing stands
                raise OutcomeUnknown(str(error)) from error
            raise

    def _patience(self, started: float) -> float:
        """How many seconds one run of a body may take: what is left of three once the database is away."""
        if self.up:
            return limits.DATABASE_DOWN_WAIT_SECONDS
        left = started + limits.DATABASE_DOWN_WAIT_SECONDS - time.monotonic()
        if left <= 0:
            raise DatabaseUnavailable("the database is away")
        return left


def _index_model(index: Index) -> pymongo.IndexModel:
    options: Document = {"unique": index.unique}
    if index.expire_after_seconds is not None:
        options["expireAfterSeconds"] = index.expire_after_seconds
    if index.only_where is not None:
        options["partialFilterExpression"] = index.only_where
    return pymongo.IndexModel(list(index.keys), **options)


async def admin(uri: str, command: Document, *, timeout_seconds: float) -> Document:
    """Run one command on the `admin` database of exactly the server at `uri`, over a connection of its own.

    Raises `DatabaseUnavailable` when it does not answer in time, `DatabaseError` when it refuses.
    """
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        uri, directConnection=True, serverSelectionTimeoutMS=int(timeout_seconds * 1_000)
    )
    try:
        with _translated(), pymongo.timeout(timeout_seconds):
            return await client.admin.command(command)
    finally:
        await client.close()
