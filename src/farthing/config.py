"""Settings, read once from farthing.toml into one frozen value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from farthing.domain.errors import BadInput, Refused
from farthing.domain.scope import SCOPE
from farthing.domain.where import parse

FILE = "farthing.toml"

REFERENCE = re.compile(r"env:[A-Za-z_]\w*|file:.+")  # where a secret is, never what it is
Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]  # 0: any that is free
Count = Annotated[int, msgspec.Meta(ge=1)]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[allocate]]`: what matches and has no team (project, …) yet gets this one."""

    match: str
    team: str | None = None
    project: str | None = None
    feature: str | None = None
    customer: str | None = None
    environment: str | None = None
    cost_center: str | None = None

    @property
    def sets(self) -> dict[str, str]:
        found = {name: getattr(self, name, None) for name in SCOPE}
        return {name: value for name, value in found.items() if value}


class Split(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[splits]]`: a shared cost that others bear: evenly, by their usage, or by fixed shares."""

    match: str
    over: str = "team"
    by: str | dict[str, int] = "usage"


class Upstream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[providers.NAME]`: an account with a provider, and how the gateway reaches it."""

    kind: str | None = None  # the protocol it speaks; without one it is not called, only booked
    base_url: str | None = None
    api_key: str | None = None  # a reference: env:NAME or file:PATH
    models: tuple[str, ...] = ()  # globs of what is routed here; none: what its kind has
    priced_as: str | None = None
    account: str | None = None
    proxy: str | None = None
    ca_file: str | None = None
    region: str | None = None
    weight: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 600
    headers: dict[str, str] = {}  # sent with every call; a value may be a reference


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[gateway]`: where calls come in."""

    host: str = "127.0.0.1"
    port: Port = 8787
    fsync: Literal["batch", "always"] = "batch"
    workers: int = 1
    max_body_mb: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 32
    drain_seconds: Annotated[int, msgspec.Meta(ge=0, le=3600)] = 30
    trusted_proxies: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()


class Office(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[office]`: where the REST API answers, apart from the calls."""

    host: str = "127.0.0.1"
    port: Port = 8788
    trusted_proxies: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[budgets.NAME]`; the budgets' room reads the limit."""

    limit: str
    where: str = ""
    soft: bool = False
    per: str | None = None
    timezone: str | None = None  # the settings', unless said


class Holder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[keys.NAME]`: a virtual key that `config apply` makes, and whom it is for."""

    team: str
    tenant: str | None = None
    project: str | None = None
    feature: str | None = None
    customer: str | None = None
    environment: str | None = None
    cost_center: str | None = None
    tags: dict[str, str] = {}
    models: tuple[str, ...] = ()
    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    usd_per_minute: str | None = None
    concurrency: Count | None = None
    expires: date | None = None
    hard_budget: str | None = None
    soft_budget: str | None = None

    @property
    def scope(self) -> dict[str, str]:
        found = {name: getattr(self, name, None) for name in SCOPE}
        return {name: value for name, value in found.items() if value}


class Telemetry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[telemetry]`: where spans go, over OTLP, and which calls the log tells of."""

    otlp: str | None = None  # http://collector:4318
    headers: dict[str, str] = {}  # a value may be a reference
    ca_file: str | None = None
    timeout_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 10
    sampling: Literal["parent", "all"] = "parent"  # "parent": none of a caller that records none
    propagate: bool = False  # whether providers get traceparent and tracestate
    log: Literal["calls", "errors", "off"] = "errors"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is configured. `prices` and `policy` stay raw: their rooms read and check them."""

    timezone: str = "UTC"
    required_tags: tuple[str, ...] = ()
    memory: str = "1100MB"  # what DuckDB may use while it imports; the process takes a little more
    currency_rates: str | None = None  # CSV file: date,currency,usd (USD for one unit)
    providers: dict[str, Upstream] = {}
    prices: tuple[dict[str, Any], ...] = ()
    allocate: tuple[Rule, ...] = ()
    splits: tuple[Split, ...] = ()
    gateway: Gateway = Gateway()
    office: Office = Office()
    budgets: dict[str, Limit] = {}
    keys: dict[str, Holder] = {}
    policy: dict[str, Any] = {}
    telemetry: Telemetry = Telemetry()
    path: Path | None = None

    @classmethod
    def load(cls, workspace: Path) -> Settings:
        """From the workspace, else the current folder, else the defaults.

        Raises Refused naming file and key where something is misspelt or of the wrong type.
        """
        for folder in (workspace, Path.cwd()):
            if (folder / FILE).is_file():
                return cls.read(folder / FILE)
        return cls()

    @classmethod
    def read(cls, file: Path) -> Settings:
        try:
            found = _gather_policy(file, tomllib.loads(file.read_text("utf-8")))
            _refuse_unknown(file, found)
            settings = msgspec.convert(found, cls)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Refused(f"{file} is not valid TOML: {error}.") from error
        except msgspec.ValidationError as error:
            raise Refused(f"{file}: {error}. See docs/configuration.md.") from error
        for where, wrong in _faults(settings):
            raise Refused(f"{file}{where}: {wrong}")
        return msgspec.structs.replace(_anchored(settings, file.absolute().parent), path=file)

    @classmethod
    def unread(cls, workspace: Path) -> Path | None:
        """The current folder's file, where the workspace has one of its own, which comes first."""
        mine, theirs = workspace / FILE, Path.cwd() / FILE
        both = mine.is_file() and theirs.is_file() and not mine.samefile(theirs)
        return theirs if both else None


# A policy's tables may stand at the top of the file, too, as they do in a file of their own.
_POLICY = """
    cache coalesce idempotency route fallback retry health affinity balance limit loop hold hang_up
""".split()
_ONE = {"gateway": Gateway, "office": Office, "telemetry": Telemetry}
_NAMED = {"providers": Upstream, "budgets": Limit, "keys": Holder}
_LISTED = {"allocate": Rule, "splits": Split}
_SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie", re.IGNORECASE)


def _anchored(settings: Settings, folder: Path) -> Settings:
    """Files of certificates lie where farthing.toml says, from its own folder on."""

    def whole(each: Any, *fields: str) -> Any:
        said = {name: getattr(each, name) for name in fields}
        paths = {name: str(folder / Path(file).expanduser()) for name, file in said.items() if file}
        return msgspec.structs.replace(each, **paths)

    return msgspec.structs.replace(
        settings,
        gateway=whole(settings.gateway, "tls_cert", "tls_key"),
        office=whole(settings.office, "tls_cert", "tls_key"),
        providers={name: whole(each, "ca_file") for name, each in settings.providers.items()},
    )


def _gather_policy(file: Path, found: dict[str, Any]) -> dict[str, Any]:
    top = {name: found.pop(name) for name in _POLICY if name in found}
    policy = found.get("policy", {})
    if top and isinstance(policy, dict):
        if twice := sorted(set(top) & set(policy)):
            raise Refused(f"{file}: {twice[0]} and policy.{twice[0]} are the same. Keep one.")
        found["policy"] = {**policy, **top}
    return found


def _refuse_unknown(file: Path, found: dict[str, Any]) -> None:
    """Name what is misspelt, and what was probably meant."""
    _compare(f"{file}", found, [*Settings.__struct_fields__[:-1], *_POLICY])
    for table, struct in _ONE.items():
        _compare(f"{file}, [{table}]", found.get(table), struct.__struct_fields__)
    for table, struct in _NAMED.items():
        entries = found.get(table)
        for name, entry in entries.items() if isinstance(entries, dict) else ():
            _compare(f"{file}, [{table}.{name}]", entry, struct.__struct_fields__)
    for table, struct in _LISTED.items():
        entries = found.get(table)
        for number, entry in enumerate(entries if isinstance(entries, list) else (), 1):
            _compare(f"{file}, [[{table}]] entry {number}", entry, struct.__struct_fields__)


def _compare(where: str, table: Any, known: Iterable[str]) -> None:
    for name in table if isinstance(table, dict) else ():
        if name not in known:
            near = get_close_matches(name, sorted(known), 1)
            fix = f"Did you mean `{near[0]}`?" if near else "Remove it; see docs/configuration.md."
            raise BadInput(where, f"nothing is called `{name}`", fix)


def _faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """What a type cannot say: where it stands in the file, and what is wrong."""
    if not re.fullmatch(r"[1-9]\d*\s*[KMGT]i?B", settings.memory):
        yield "", f'memory = "{settings.memory}" is no size. Write it as "1100MB".'
    yield from _filter_faults(settings)
    for name, upstream in settings.providers.items():
        yield from _upstream_faults(f", [providers.{name}]", name, upstream)
    yield from _open_secrets(", [telemetry]", settings.telemetry.headers)
    if settings.telemetry.otlp and (wrong := _wrong_with(settings.telemetry.otlp)):
        yield ", [telemetry]", f"otlp {wrong}"
    if settings.gateway.workers != 1:
        yield ", [gateway]", "workers can only be 1: several workers come with shared state."
    for table, server in (("gateway", settings.gateway), ("office", settings.office)):
        if (server.tls_cert is None) != (server.tls_key is None):
            yield f", [{table}]", "tls_cert and tls_key belong together. Give both, or neither."


def _filter_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    filters = {
        **{f", [[allocate]] entry {n}": rule.match for n, rule in enumerate(settings.allocate, 1)},
        **{f", [[splits]] entry {n}": split.match for n, split in enumerate(settings.splits, 1)},
        **{f", [budgets.{n}]": each.where for n, each in settings.budgets.items() if each.where},
    }
    for where, text in filters.items():
        try:
            parse(text)
        except Refused as error:
            yield where, str(error)


def _upstream_faults(where: str, name: str, upstream: Upstream) -> Iterator[tuple[str, str]]:
    """What cannot be called. A secret that stands here is never repeated in what we say."""
    if upstream.api_key is not None and not REFERENCE.fullmatch(upstream.api_key):
        wanted = re.sub(r"\W", "_", name).upper()
        yield (
            where,
            "api_key is no reference. Put the secret into the environment or a file and write "
            f'api_key = "env:{wanted}_API_KEY" or "file:PATH".',
        )
    yield from _open_secrets(where, upstream.headers)
    for field in ("base_url", "proxy"):
        url = getattr(upstream, field) or "http://none"
        refers = field == "proxy" and REFERENCE.fullmatch(url)
        if not refers and (wrong := _wrong_with(url)):
            yield where, f"{field} {wrong}"


def _wrong_with(url: str) -> str | None:
    """Why it is no address, in words that do not repeat it: it may hold a password."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        return "is no address. Write it as https://host/v1."
    if parts.username or parts.password:
        return 'has a password. Leave it off; api_key and proxy take references, "env:NAME".'
    if parts.query or parts.fragment:
        return "has a ? or a #, which nothing can follow. Leave that off."
    return None


def _open_secrets(where: str, headers: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in headers.items():
        if _SECRET_HEADER.search(name) and not REFERENCE.fullmatch(value):
            yield where, f'headers.{name} looks like a secret. Write "env:NAME" or "file:PATH".'
