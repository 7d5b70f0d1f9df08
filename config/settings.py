"""Settings: read once from the environment, checked, then frozen.

Each field is one `HUB_...` variable unless its comment names another; the unit stands in the name. `load()` reports all
failures at once, so that an operator mends them in one go.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from config import limits

Network = IPv4Network | IPv6Network

SECRET_BYTES_MIN = 32
# Where each company answers; a provider with another address is somebody's own server.
_COMPANY_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "anthropic": "https://api.anthropic.com",
    "minimax": "https://api.minimax.io/v1",
}


class SettingsError(Exception):
    """The environment cannot be used; the message lists every reason, one a line."""


@dataclass(frozen=True, slots=True)
class ProviderAddress:
    """Where one AI provider is reached, and with which key."""

    base_url: str
    api_key: str | None
    is_given: bool  # a key is set, or another address than the company's own


@dataclass(frozen=True, slots=True)
class Settings:
    """The hub's settings. Amounts are micro-credits, times seconds, addresses without a slash at their end."""

    env: str  # development | production: the sandbox provider and generated secrets exist in development only
    ports: tuple[int, ...]  # HUB_PORT: a comma list listens on several
    host: str  # address to listen on
    trusted_proxies: tuple[Network, ...]  # whose X-Forwarded-For and X-Forwarded-Proto are believed
    api_hosts: Mapping[str, str]  # HUB_API_HOSTS: host[:port] -> API, decides the shared paths
    data_dir: Path  # embedded database, generated secrets
    models_file: Path  # HUB_MODELS_FILE: the catalogue of AI models, in the form of config/models.toml
    mongodb_uri: str | None  # none: the embedded database
    mongodb_database: str
    redis_url: str | None  # none: the hub is alone on its database; several processes of it then have an embedded Redis
    processes: int  # HUB_PROCESSES: so many serve the same ports; with one there is no supervisor
    jwt_secret: str
    service_token: str
    admin_email: str | None
    admin_password: str | None
    rate_limits: bool  # HUB_RATE_LIMITS=on|off
    public_url: str
    allowed_origins: frozenset[str]  # origins whose pages may use the cookie
    outbound_allow: frozenset[str]  # host:port pairs that may be sent to although they are not public
    outbound_read: frozenset[str]  # the same for those whose answers every user may read
    signup_credits_micro: int  # HUB_SIGNUP_CREDITS, decimal credits
    credit_micro_usd: int  # HUB_CREDIT_USD, decimal US dollars: what one credit is worth, in millionths of a dollar
    sandbox_tokens_per_second: float
    providers: Mapping[str, ProviderAddress]  # OPENAI_API_KEY and OPENAI_BASE_URL, and so on, without the prefix
    stripe_api_key: str | None  # STRIPE_API_KEY; none: the sandbox takes payments in development, nobody in production
    stripe_webhook_secret: str | None
    stripe_api_base: str
    daily_reward_points: int
    google_client_id: str | None  # GOOGLE_CLIENT_ID, and so on without the prefix; none: no sign-in by Google
    google_client_secret: str | None
    google_issuer_url: str  # to the letter, so that this one may end in a slash
    google_sheets_url: str  # GOOGLE_SHEETS_URL and GOOGLE_DRIVE_URL: where Google's APIs answer
    google_drive_url: str
    telegram_api_url: str  # TELEGRAM_API_URL: where the Bot API answers
    oauth_redirects: frozenset[str]  # where a sign-in by Google may end, to the letter
    smtp_url: str | None  # smtp[s]://[user:password@]host[:port]; none: mail goes into the data folder's outbox
    mail_from: str

    @property
    def production(self) -> bool:
        return self.env == "production"


# The documents' own addresses; `localhost:3001` names two APIs and so decides nothing.
DEFAULT_API_HOSTS = {
    "localhost:3000": "ai_aggregator",
    "api.ai-aggregator.com": "ai_aggregator",
    "localhost:8000": "ai_assistant",
    "your-domain.com": "ai_assistant",
    "api-staging.smartaihub.com": "smart_ai_hub",
    "api.smartaihub.com": "smart_ai_hub",
    "your-api-domain.com": "ai_playground",
    "api.example.com": "ai_playground",
}
# The documented ones; our own page's is always among them.
DEFAULT_OAUTH_REDIRECTS = (
    "https://smartaihub.com/auth/callback",
    "https://staging.smartaihub.com/auth/callback",
    "http://localhost:3000/auth/callback",
)
DEFAULT_MODELS_FILE = Path(__file__).with_name("models.toml")
API_NAMES = frozenset(DEFAULT_API_HOSTS.values())


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read and check the environment.

    Raises `SettingsError` naming every variable that is wrong. In development missing secrets are made and kept in the data
    folder; in production a missing or short one is an error.
    """
    reader = _Reader(environ)
    settings = _settings(reader)
    reader.finish()
    return settings


def _settings(reader: "_Reader") -> Settings:
    """What the environment says; what is wrong in it the reader keeps."""
    env = reader.choice("HUB_ENV", "development", ("development", "production"))
    production = env == "production"
    ports = reader.ports("HUB_PORT", "3001")
    public_url = reader.url("HUB_PUBLIC_URL", f"http://localhost:{ports[0]}")
    data_dir = Path(reader.text("HUB_DATA_DIR", "data") or "data").absolute()
    return Settings(
        env=env,
        ports=ports,
        host=reader.text("HUB_HOST", "127.0.0.1") or "",
        trusted_proxies=reader.networks("HUB_TRUSTED_PROXIES"),
        api_hosts=reader.api_hosts("HUB_API_HOSTS"),
        data_dir=data_dir,
        models_file=Path(reader.text("HUB_MODELS_FILE", None) or DEFAULT_MODELS_FILE).absolute(),
        mongodb_uri=reader.text("HUB_MONGODB_URI", None),
        mongodb_database=reader.text("HUB_MONGODB_DATABASE", "smart_ai_hub") or "",
        redis_url=reader.redis("HUB_REDIS_URL"),
        processes=reader.integer("HUB_PROCESSES", 1, 1, limits.PROCESSES_MAX),
        jwt_secret=reader.secret("HUB_JWT_SECRET", data_dir, production),
        service_token=reader.secret("HUB_SERVICE_TOKEN", data_dir, production),
        admin_email=reader.text("HUB_ADMIN_EMAIL", None),
        admin_password=reader.text("HUB_ADMIN_PASSWORD", None),
        rate_limits=reader.choice("HUB_RATE_LIMITS", "on", ("on", "off")) == "on",
        public_url=public_url,
        allowed_origins=reader.origins("HUB_ALLOWED_ORIGINS", public_url, ports, production),
        outbound_allow=reader.addresses("HUB_OUTBOUND_ALLOW"),
        outbound_read=reader.addresses("HUB_OUTBOUND_READ"),
        signup_credits_micro=reader.micro("HUB_SIGNUP_CREDITS", "10"),
        credit_micro_usd=reader.micro_usd("HUB_CREDIT_USD", "1.0"),
        sandbox_tokens_per_second=float(reader.decimal("HUB_SANDBOX_TOKENS_PER_SECOND", "50")),
        providers={name: reader.provider(name.upper(), company) for name, company in _COMPANY_URLS.items()},
        stripe_api_key=reader.text("STRIPE_API_KEY", None),
        stripe_webhook_secret=reader.text("STRIPE_WEBHOOK_SECRET", None),
        stripe_api_base=reader.url("STRIPE_API_BASE", "https://api.stripe.com"),
        daily_reward_points=reader.integer("HUB_DAILY_REWARD_POINTS", 100, 1, 1_000_000),
        google_client_id=reader.text("GOOGLE_CLIENT_ID", None),
        google_client_secret=reader.text("GOOGLE_CLIENT_SECRET", None),
        google_issuer_url=reader.issuer("GOOGLE_ISSUER_URL", "https://accounts.google.com"),
        google_sheets_url=reader.url("GOOGLE_SHEETS_URL", "https://sheets.googleapis.com"),
        google_drive_url=reader.url("GOOGLE_DRIVE_URL", "https://www.googleapis.com"),
        telegram_api_url=reader.url("TELEGRAM_API_URL", "https://api.telegram.org"),
        oauth_redirects=reader.redirects("HUB_OAUTH_REDIRECTS", public_url),
        smtp_url=reader.smtp("HUB_SMTP_URL"),
        mail_from=reader.sender("HUB_MAIL_FROM", public_url),
    )


class _Reader:
    """Typed look-ups in the environment that collect failures instead of raising at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._failures: list[str] = []

    def finish(self) -> None:
        if self._failures:
            raise SettingsError("\n".join(self._failures))

    def _fail(self, name: str, why: str) -> None:
        self._failures.append(f"{name}: {why}")

    def text(self, name: str, default: str | None) -> str | None:
        return self._environ.get(name, "").strip() or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.text(name, default) or default
        if value not in allowed:
            self._fail(name, f"must be one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        text = self.text(name, str(default)) or ""
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            self._fail(name, f"must be a whole number from {low} to {high}")
            return default
        return int(text)

    def ports(self, name: str, default: str) -> tuple[int, ...]:
        parts = (self.text(name, default) or default).split(",")
        ports = [int(part) for part in parts if part.strip().isascii() and part.strip().isdigit()]
        if len(ports) != len(parts) or not all(1 <= port <= 65_535 for port in ports):
            self._fail(name, "must be a port from 1 to 65535, or several parted by commas")
            return (3001,)
        return tuple(dict.fromkeys(ports))

    def provider(self, name: str, company: str) -> ProviderAddress:
        base_url = self.url(f"{name}_BASE_URL", company)
        api_key = self.text(f"{name}_API_KEY", None)
        return ProviderAddress(base_url, api_key, is_given=api_key is not None or base_url != company)

    def url(self, name: str, default: str) -> str:
        return self._absolute(name, (self.text(name, default) or default).rstrip("/"))

    def issuer(self, name: str, default: str) -> str:
        """To the letter, with the slash that it may end in: what the provider says of itself has to be the same."""
        return self._absolute(name, self.text(name, default) or default)

    def _absolute(self, name: str, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            self._fail(name, "must be an absolute http or https address")
        return value

    def redis(self, name: str) -> str | None:
        value = self.text(name, None)
        if value is not None and urlsplit(value).scheme not in ("redis", "rediss", "unix"):
            self._fail(name, "must be redis://host:port/number, rediss://... or unix://path")
        return value

    def decimal(self, name: str, default: str) -> Decimal:
        try:
            value = Decimal(self.text(name, default) or default)
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or not 0 < value <= 10**9:
            self._fail(name, "must be a number above 0")
            return Decimal(default)
        return value

    def micro(self, name: str, default: str) -> int:
        try:
            value = Decimal(self.text(name, default) or default) * 1_000_000
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or not 0 <= value <= 10**15 or value != int(value):
            self._fail(name, "must be credits of 0 or more, with at most six decimals")
            return 0
        return int(value)

    def micro_usd(self, name: str, default: str) -> int:
        """What a credit is worth, between two bounds: beyond them a cent buys next to nothing, or overfills a wallet."""
        low, high = limits.CREDIT_MICRO_USD_MIN, limits.CREDIT_MICRO_USD_MAX
        try:
            value = Decimal(self.text(name, default) or default) * 1_000_000
        except InvalidOperation:
            value = Decimal(-1)
        if not value.is_finite() or not low <= value <= high or value != int(value):
            bounds = f"{Decimal(low) / 1_000_000} to {high // 1_000_000}"
            self._fail(name, f"must be US dollars from {bounds}, with at most six decimals")
            return low
        return int(value)

    def api_hosts(self, name: str) -> Mapping[str, str]:
        """`host[:port]=api` pairs parted by commas, on top of the documents' own addresses."""
        hosts = dict(DEFAULT_API_HOSTS)
        for pair in filter(None, (self.text(name, "") or "").split(",")):
            host, _, api = pair.partition("=")
            if api.strip() not in API_NAMES:
                self._fail(name, f"{pair!r} must be host=api with an api of {', '.join(sorted(API_NAMES))}")
                continue
            hosts[host.strip().lower()] = api.strip()
        return hosts

    def networks(self, name: str) -> tuple[Network, ...]:
        """Addresses and networks (`10.0.0.0/8`) parted by commas."""
        found: list[Network] = []
        for part in filter(None, map(str.strip, (self.text(name, "") or "").split(","))):
            try:
                found.append(ip_network(part))
            except ValueError as error:
                self._fail(name, f"must be addresses or networks parted by commas: {error}")
        return tuple(found)

    def addresses(self, name: str) -> frozenset[str]:
        """`host:port` pairs parted by commas."""
        given = {part.strip().casefold() for part in (self.text(name, "") or "").split(",") if part.strip()}
        for address in given:
            host, _, port = address.rpartition(":")
            if not host or not port.isascii() or not port.isdigit() or not 1 <= int(port) <= 65_535:
                self._fail(name, f"{address!r} must be host:port")
        return frozenset(given)

    def origins(self, name: str, public_url: str, ports: tuple[int, ...], production: bool) -> frozenset[str]:
        """The public address itself; in development also localhost by name and number on every port of ours."""
        given = {part.strip().rstrip("/") for part in (self.text(name, "") or "").split(",") if part.strip()}
        for origin in given:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
                self._fail(name, f"{origin!r} must be scheme://host[:port]")
        own = {"{0.scheme}://{0.netloc}".format(urlsplit(public_url))}
        if not production:
            own |= {f"http://{host}:{port}" for host in ("localhost", "127.0.0.1") for port in ports}
        return frozenset(given | own)

    def redirects(self, name: str, public_url: str) -> frozenset[str]:
        """Absolute addresses parted by commas, in place of the documented ones; our own page's is always one."""
        given = [part.strip() for part in (self.text(name, "") or "").split(",") if part.strip()]
        for address in given:
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
                self._fail(name, f"{address!r} must be an absolute http or https address without a fragment")
        return frozenset([*(given or DEFAULT_OAUTH_REDIRECTS), f"{public_url}/auth/callback"])

    def smtp(self, name: str) -> str | None:
        value = self.text(name, None)
        if value is None:
            return None
        parts = urlsplit(value)
        try:
            usable = parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # no port, or none that exists
            usable = False
        if not usable:
            self._fail(name, "must be smtp://[user:password@]host[:port] or smtps://...")
            return None
        return value

    def sender(self, name: str, public_url: str) -> str:
        """An address, or `Name <address>`, on one line."""
        value = self.text(name, None) or f"Smart AI Hub <no-reply@{urlsplit(public_url).hostname or 'localhost'}>"
        if "@" not in parseaddr(value)[1] or any(char in value for char in "\r\n"):
            self._fail(name, "must be an e-mail address, or a name and <an e-mail address>")
        return value

    def secret(self, name: str, data_dir: Path, production: bool) -> str:
        value = self.text(name, None)
        if value is None and not production:
            return _kept_secret(data_dir / f"{name.lower()}.secret")
        if value is None or len(value.encode()) < SECRET_BYTES_MIN or len(set(value)) < 8:
            self._fail(name, f"must be a random secret of at least {SECRET_BYTES_MIN} bytes")
            return ""
        return value


def _kept_secret(path: Path) -> str:
    """A development secret, made once. Written under another name first: a crash leaves no half of it."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        fresh.replace(path)
    return path.read_text().strip()
