"""Every long-lived object of a process, in one frozen dataclass; opened step by step and closed in the mirrored order.

database -> ledger -> node -> identities -> providers -> chat -> connections -> background loops
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from config import limits
from config.catalogue import AiModel, load_catalogue
from config.packages import Packages, load_packages
from config.plans import Plans, load_plans
from config.settings import Settings
from hub import admin_seed, background, exchange_rates
from hub.access_tokens import AccessTokens
from hub.accounts import Accounts
from hub.administration import Administration
from hub.analyser.analyser import Analyser
from hub.analytics import Analytics
from hub.announcements import Announcements
from hub.api_keys import ApiKeys
from hub.audit import DriftMonitor
from hub.chat import Chat
from hub.closings import Closing, close_all
from hub.credits import credits
from hub.credits.credits import Credits
from hub.embeddings import Embedder
from hub.google import Google
from hub.google_sign_in import GoogleSignIn
from hub.identity import Identities
from hub.insight.insight import Insight, insight_of
from hub.integrations.integrations import Integrations
from hub.ledger import Ledger
from hub.mail import Mailer, mailer_of
from hub.mail_jobs import MailJobs
from hub.metrics import Metrics
from hub.monitor import Monitor
from hub.node import Node
from hub.notices.notices import Notices
from hub.notifications import Notifications
from hub.passwords import BCRYPT_COST, Passwords
from hub.payments.purchases import Purchases, open_provider
from hub.points import Points
from hub.projects import Projects
from hub.providers.registry import Providers
from hub.rate_administration import RateAdministration
from hub.rate_limits import RateLimits
from hub.readers import Readers
from hub.realtime.broker import Broker
from hub.realtime.registry import Connections
from hub.redis.shared import Shared
from hub.remote_streams import RemoteStreams
from hub.request_stats import RequestStats
from hub.revocations import Revocations
from hub.safe_http import SafeHttp
from hub.statistics import Statistics
from hub.streams import Streams
from hub.sweeper import Sweeper
from hub.tasks import Tasks
from hub.throttle import Throttle
from hub.token_rates import TokenRates
from hub.two_factor import TwoFactor
from hub.webhooks.webhooks import Webhooks
from hub.workflows.automation import Automation
from models import shapes
from models.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """What handlers and connections work with."""

    settings: Settings
    catalogue: Mapping[str, AiModel]
    plans: Plans
    packages: Packages
    metrics: Metrics
    monitor: Monitor
    tasks: Tasks
    broker: Broker
    database: Database
    ledger: Ledger
    node: Node
    sweeper: Sweeper
    drift: DriftMonitor
    passwords: Passwords
    identities: Identities
    api_keys: ApiKeys
    mail: MailJobs
    accounts: Accounts
    google: GoogleSignIn
    two_factor: TwoFactor
    providers: Providers
    streams: Streams
    chat: Chat
    embedder: Embedder
    readers: Readers
    notifications: Notifications
    notices: Notices
    purchases: Purchases
    credits: Credits
    points: Points
    projects: Projects
    administration: Administration
    announcements: Announcements
    rate_administration: RateAdministration
    webhooks: Webhooks
    integrations: Integrations
    analyser: Analyser
    automation: Automation
    statistics: Statistics
    analytics: Analytics
    insight: Insight
    request_stats: RequestStats
    rate_limits: RateLimits
    connections: Connections
    recoveries: asyncio.Semaphore  # turns at reading users' channels, in the order in which they were asked for


@dataclass(frozen=True, slots=True)
class Opened:
    """Open services with what closes them, last opened first."""

    services: Services
    closings: Sequence[tuple[str, Closing]]

    async def close(self) -> None:
        """End every part; one that fails does not keep the others open."""
        await close_all(self.closings)


async def open_services(settings: Settings, mongodb_uri: str, bcrypt_cost: int = BCRYPT_COST) -> Opened:
    """Open everything, in order. When a step raises (`DatabaseError`, `HubError`, a settings file's error) all is closed."""
    opening = _Opening(settings, bcrypt_cost)
    try:
        services = await opening.services(mongodb_uri)
    except BaseException:
        await close_all(opening.closings)
        raise
    services.automation.workflows.on_endpoint_change.append(services.webhooks.sender.changed)
    background.watch(services)
    background.start(services)
    return Opened(services, opening.closings)


class _Opening:
    """The steps of the start, each naming what will close it."""

    def __init__(self, settings: Settings, bcrypt_cost: int) -> None:
        self._settings = settings
        self._bcrypt_cost = bcrypt_cost
        self.closings: list[tuple[str, Closing]] = []
        self._catalogue = load_catalogue(settings.models_file)
        self._plans = load_plans()
        self._metrics = Metrics()
        self._packages = load_packages()
        self._tasks = Tasks()
        self._shared = Shared(settings, self._tasks)
        self._broker = self._shared.broker
        self._monitor = Monitor(self._metrics, self._broker)

    async def services(self, mongodb_uri: str) -> Services:
        database = await self._database(mongodb_uri)
        ledger, node, sweeper = await self._ledger(database)
        mailer, http = mailer_of(self._settings), await self._safe_http()
        mail = MailJobs(self._settings, database, mailer, self._tasks)
        passwords, identities, accounts = await self._identities(database, ledger, mail)
        google = await self._google(database, identities, accounts)
        integrations = await self._integrations(database, ledger)
        token_rates = TokenRates(self._settings.rate_limits, self._shared.counters("tokens"))
        providers, streams, chat = await self._chat(database, ledger, node, identities.revocations, token_rates)
        purchases = self._purchases(database, ledger)
        return self._begun()(
            database=database,
            ledger=ledger,
            node=node,
            sweeper=sweeper,
            drift=DriftMonitor(database),
            passwords=passwords,
            identities=identities,
            api_keys=ApiKeys(database, ledger, identities.revocations),
            mail=mail,
            accounts=accounts,
            google=google,
            two_factor=TwoFactor(database, ledger, passwords, identities, mail),
            providers=providers,
            streams=streams,
            chat=chat,
            embedder=Embedder(ledger, self._catalogue, providers, token_rates, node.id),
            readers=self._readers(),
            notifications=Notifications(database, ledger),
            notices=await self._notices(database, mailer, http),
            purchases=purchases,
            credits=self._credits(database, ledger, purchases),
            points=Points(database, ledger, self._settings.daily_reward_points),
            projects=Projects(database, ledger, self._catalogue),
            administration=Administration(ledger, identities.revocations, mail),
            announcements=Announcements(database, ledger, self._broker),
            rate_administration=RateAdministration(ledger),
            webhooks=await self._webhooks(database, ledger, node, http),
            integrations=integrations,
            analyser=self._analyser(database, ledger, http, integrations),
            automation=self._automation(database, ledger, node, chat, http, integrations, mailer),
            statistics=Statistics(database),
            analytics=Analytics(database),
            insight=insight_of(database, ledger, self._catalogue, self._throttle()),
            request_stats=self._request_stats(database, node),
            rate_limits=self._rate_limits(),
            connections=self._connections(),
            recoveries=asyncio.Semaphore(limits.RECOVERIES_AT_ONCE),
        )

    def _begun(self) -> partial[Services]:
        """With what stands before anything is opened."""
        return partial(
            Services,
            settings=self._settings,
            catalogue=self._catalogue,
            plans=self._plans,
            packages=self._packages,
            metrics=self._metrics,
            monitor=self._monitor,
            tasks=self._tasks,
            broker=self._broker,
        )

    def _closes(self, name: str, closing: Closing) -> None:
        self.closings.append((name, closing))

    async def _database(self, uri: str) -> Database:
        database = Database(uri, self._settings.mongodb_database)
        self._closes("database", database.close)
        await database.open(shapes.ALL)
        await exchange_rates.ensure_default(database)
        self._closes("redis", self._shared.close)
        self._closes("tasks", lambda: self._tasks.close(limits.TASKS_GRACE_SECONDS))
        self._closes("broker", self._broker.close)
        await self._broker.open()
        return database

    async def _ledger(self, database: Database) -> tuple[Ledger, Node, Sweeper]:
        self._closes("monitor", self._monitor.close)
        node = Node(database, self._settings.data_dir)
        self._monitor.open(node.id)
        self._closes("node", node.close)  # after the ledger: until it has drained, its holds have a living owner
        ledger = Ledger(database, self._broker, self._monitor.committed)
        self._closes("ledger", ledger.close)
        ledger.open()
        await node.open(ledger.session_id)
        sweeper = Sweeper(database, ledger, node, self._catalogue, self._settings.data_dir)
        await sweeper.unlock()  # before our first commit: a dead process's transaction may still lock wallets
        ledger.start(self._tasks)
        await sweeper.sweep()
        return ledger, node, sweeper

    async def _safe_http(self) -> SafeHttp:
        safe_http = SafeHttp(self._settings)
        self._closes("calls to others' addresses", safe_http.close)
        await safe_http.open()
        return safe_http

    async def _identities(
        self, database: Database, ledger: Ledger, mail: MailJobs
    ) -> tuple[Passwords, Identities, Accounts]:
        settings = self._settings
        passwords = Passwords(settings.jwt_secret, cost=self._bcrypt_cost)
        self._closes("passwords", passwords.close)
        access_tokens, throttle = AccessTokens(settings.jwt_secret), self._throttle()
        identities = Identities(settings, database, ledger, self._broker, access_tokens, passwords, throttle, mail.wake)
        self._closes("identities", identities.close)
        self._closes("uses of API keys", identities.key_uses.close)
        await admin_seed.seed(settings, database, identities, passwords)
        accounts = Accounts(database, ledger, passwords, throttle, identities.revocations, mail)
        return passwords, identities, accounts

    async def _google(self, database: Database, identities: Identities, accounts: Accounts) -> GoogleSignIn:
        google = Google(self._settings)
        self._closes("google", google.close)
        await google.open()
        return GoogleSignIn(self._settings, database, identities, accounts, google)

    async def _chat(
        self, database: Database, ledger: Ledger, node: Node, revocations: Revocations, token_rates: TokenRates
    ) -> tuple[Providers, Streams, Chat]:
        providers = await Providers.open(self._settings)
        self._closes("providers", providers.close)
        streams, logs = Streams(), self._shared.stream_logs()
        chat = Chat(
            database=database,
            ledger=ledger,
            streams=streams,
            catalogue=self._catalogue,
            plans=self._plans,
            providers=providers,
            tasks=self._tasks,
            metrics=self._metrics,
            node=node.id,
            revocations=revocations,
            remote=RemoteStreams(database, logs, self._catalogue, self._tasks),
            logs=logs,
            token_rates=token_rates,
        )
        chat.open(self._broker)
        self._closes("chat", lambda: chat.close(self._broker))
        return providers, streams, chat

    async def _webhooks(self, database: Database, ledger: Ledger, node: Node, http: SafeHttp) -> Webhooks:
        parts = (self._settings, database, ledger, self._broker, self._metrics, http, self._tasks, node.id)
        webhooks = Webhooks(*parts, self._throttle())
        self._closes("webhooks", webhooks.close)
        await webhooks.open()
        return webhooks

    async def _integrations(self, database: Database, ledger: Ledger) -> Integrations:
        integrations = await Integrations.open(self._settings, database, ledger)
        self._closes("integrations", integrations.close)
        return integrations

    def _analyser(self, database: Database, ledger: Ledger, http: SafeHttp, integrations: Integrations) -> Analyser:
        analyser = Analyser.of(self._settings.data_dir, database, ledger, http, self._tasks, integrations)
        self._closes("analyses", analyser.analyses.close)
        return analyser

    def _automation(
        self,
        database: Database,
        ledger: Ledger,
        node: Node,
        chat: Chat,
        http: SafeHttp,
        integrations: Integrations,
        mailer: Mailer,
    ) -> Automation:
        automation = Automation(
            settings=self._settings,
            database=database,
            ledger=ledger,
            broker=self._broker,
            catalogue=self._catalogue,
            tasks=self._tasks,
            node=node.id,
            metrics=self._metrics,
            chat=chat,
            http=http,
            integrations=integrations,
            mailer=mailer,
            throttle=self._throttle(),
        )
        for closing in automation.closings:
            self._closes(*closing)
        return automation

    def _throttle(self) -> Throttle:
        return Throttle(self._settings.rate_limits, self._shared.counters("tries"))

    def _rate_limits(self) -> RateLimits:
        return RateLimits(self._plans, self._settings.rate_limits, self._shared.counters("requests"))

    def _readers(self) -> Readers:
        readers = Readers(self._broker)
        readers.open()
        self._closes("readers", readers.close)
        return readers

    def _request_stats(self, database: Database, node: Node) -> RequestStats:
        request_stats = RequestStats(database, node.id)
        self._closes("request figures", request_stats.flush)
        return request_stats

    async def _notices(self, database: Database, mailer: Mailer, http: SafeHttp) -> Notices:
        notices = await Notices.open(self._settings, database, mailer, http, self._tasks, self._metrics)
        self._closes("notice jobs", notices.jobs.close)
        return notices

    def _credits(self, database: Database, ledger: Ledger, purchases: Purchases) -> Credits:
        made = credits.make(database, ledger, purchases, self._packages.by_id, self._tasks)
        self._closes("auto-recharge", made.recharges.close)
        return made

    def _purchases(self, database: Database, ledger: Ledger) -> Purchases:
        purchases = Purchases(database, ledger, open_provider(self._settings))
        self._closes("purchases", purchases.close)
        return purchases

    def _connections(self) -> Connections:
        connections = Connections(self._broker)
        connections.open()
        self._closes("connections", connections.close)
        return connections
