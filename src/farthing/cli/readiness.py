"""The checks of `farthing doctor` on what the gateway needs."""

from __future__ import annotations

import http.client
import os
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from farthing.cli.certificate import check_certificate
from farthing.cli.finding import Finding
from farthing.config import FILE, Gateway, Office, Settings
from farthing.domain.errors import FarthingError, Refused

if TYPE_CHECKING:
    from farthing.ledger.state import State

PATIENCE_SECONDS = 1.0
SLACK = timedelta(minutes=2)


def examine(workspace: Path, now: datetime) -> Iterator[Finding]:
    """Every check in turn; none changes anything. Settings that cannot be read are told before."""
    yield _clock(workspace, now)
    try:
        settings = Settings.load(workspace)
    except FarthingError:
        return
    yield _providers(settings, workspace)
    if settings.telemetry.otlp is not None:
        yield _collector(settings, workspace)
    yield _port("gateway", settings.gateway)
    yield _port("office", settings.office)
    if (workspace / "state.db").exists():
        yield from _state(workspace / "state.db", settings, now)


def _clock(workspace: Path, now: datetime) -> Finding:
    """A clock that goes wrong puts calls into the wrong day, and budgets with them."""
    files = [workspace / "state.db", *workspace.glob("journal/*/*")]
    newest = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    written = datetime.fromtimestamp(newest, now.tzinfo)
    found = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if written > now + SLACK:
        fix = "Set this machine's clock; let NTP or chrony keep it."
        return Finding("clock", "wrong", f"{found}, before the last write, {written}", fix)
    return Finding("clock", "ok", found)


def _providers(settings: Settings, workspace: Path) -> Finding:
    """Whether each can be called: a kind that there is, an address, its secrets."""
    from farthing.access.secret import Secrets
    from farthing.demo.build import MARK
    from farthing.gateway.upstreams import upstreams_of

    secrets = Secrets(settings.path.parent if settings.path else Path.cwd(), os.environ)
    called = [name for name, each in settings.providers.items() if each.kind is not None]
    for name in called:
        upstream = settings.providers[name]
        one = msgspec.structs.replace(settings, providers={name: upstream})
        try:
            upstreams_of(one, secrets.of, lambda _scheme, _host: None)
        except FarthingError as error:
            fix = f"Provide it where farthing starts, or correct [providers.{name}]."
            return Finding("providers", "wrong", f"{name}: {error}", fix)
    if not called:
        others = "`farthing init` writes those you have"
        demo = (workspace / MARK).exists()
        instead = "the simulator answers in this demo" if demo else others
        return Finding("providers", "ok", f"none to call; {instead}")
    return Finding("providers", "ok", f"{', '.join(called)}: every secret is there")


def _collector(settings: Settings, workspace: Path) -> Finding:
    """Whether it takes a document, by sending an empty one."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    from farthing.access.secret import Secrets
    from farthing.api.collector import Collector

    folder = settings.path.parent if settings.path else workspace
    try:
        collector = Collector(settings.telemetry, Secrets(folder, os.environ), folder)
    except FarthingError as error:
        fix = "Provide it where farthing starts, or correct [telemetry]."
        return Finding("telemetry", "wrong", str(error), fix)
    try:
        collector.send(ExportTraceServiceRequest())
    except FarthingError as error:
        fix = f"Start it, or correct [telemetry] in {FILE}; spans wait in the journal meanwhile."
        return Finding("telemetry", "warning", str(error), fix)
    return Finding("telemetry", "ok", f"the collector at {collector.host} takes spans")


def _port(table: str, server: Gateway | Office) -> Finding:
    check, place = f"{table} port", f"{server.host}:{server.port}"
    try:
        check_certificate(table, server)
    except Refused as error:
        return Finding(check, "wrong", str(error), f"Correct [{table}] in {FILE}.")
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    try:
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((server.host, server.port))
    except OSError as error:
        if _is_farthing(server):
            return Finding(check, "ok", f"{place}, where farthing answers")
        fix = f"Stop what listens there, or set another port in [{table}] of {FILE}."
        return Finding(check, "warning", f"{place}: {error.strerror or error}", fix)
    return Finding(check, "ok", f"{place} is free")


def _is_farthing(server: Gateway | Office) -> bool:
    """Whether it answers /healthz. Behind TLS we cannot tell, and say so by saying no."""
    asked = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE_SECONDS)
    with closing(asked):
        try:
            asked.request("GET", "/healthz")
            return asked.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False


def _state(file: Path, settings: Settings, now: datetime) -> Iterator[Finding]:
    try:
        with _as_it_is(file) as state:
            (damage,), *_ = state.rows("PRAGMA quick_check(1)")
            if damage != "ok":
                yield _damaged(f"{file}: {damage}")
                return
            yield Finding("state.db", "ok", f"{file.stat().st_size / 1024:,.0f} KiB, whole")
            yield _budgets(state)
            yield _policy(state, settings)
            yield _drift(state, settings, now)
    except (FarthingError, sqlite3.Error) as error:
        yield _damaged(str(error))


@contextmanager
def _as_it_is(file: Path) -> Iterator[State]:
    """Open for reading alone: nothing is migrated."""
    from farthing.ledger.state import State

    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        yield State(connection, file)


def _damaged(found: str) -> Finding:
    fix = "Restore state.db from a backup; calls and their cost are in the journal and tables."
    return Finding("state.db", "wrong", found, fix)


def _budgets(state: State) -> Finding:
    from farthing.budgets.store import all_budgets

    found = all_budgets(state)
    for name, stored in found.items():
        try:
            stored.budget.checked()
        except FarthingError as error:
            fix = f"Set it anew with `farthing budget set {name}`, or remove it."
            return Finding("budgets", "wrong", f"{name}: {error}", fix)
    return Finding("budgets", "ok", f"{len(found)} in force")


def _policy(state: State, settings: Settings) -> Finding:
    from farthing.cli import routed
    from farthing.policy import versions

    current = versions.current(state)
    try:
        unserved = routed.warnings(current.text, settings)
    except FarthingError as error:
        fix = "Go back with `farthing policy rollback`, or set a new one."
        return Finding("policy", "wrong", f"version {current.version}: {error}", fix)
    if unserved:
        fix = "Correct it and set it anew with `farthing policy set`, or configure the provider."
        return Finding("policy", "warning", f"version {current.version}: {unserved[0]}", fix)
    return Finding("policy", "ok", f"version {current.version}")


def _drift(state: State, settings: Settings, now: datetime) -> Finding:
    from farthing.cli.declared import drift

    try:
        found = drift(state, settings, now)
    except FarthingError as error:
        return Finding("drift", "wrong", str(error), f"Correct it in {FILE}.")
    if found and settings.path is not None:
        names = ", ".join(f"{each.kind} {each.name}" for each in found)
        fix = f"Look with `farthing config apply {settings.path} --dry-run`, then apply it."
        return Finding("drift", "warning", f"the file has otherwise: {names}", fix)
    return Finding("drift", "ok", "what is in force is what the file declares")
