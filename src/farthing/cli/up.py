"""`farthing up`: gateway and back office, two processes under one supervisor."""

from __future__ import annotations

import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farthing.cli.certificate import check_certificate
from farthing.cli.changing import me
from farthing.cli.reading import folder_of
from farthing.domain.errors import Refused, Unavailable

if TYPE_CHECKING:
    from farthing.config import Settings
    from farthing.ledger.state import State

START_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # before a process that ended by itself starts again
KILL_AFTER = 10.0  # seconds beyond the drain
PORT_SECONDS = 2.0  # for a port that is in use to become free
BACKLOG = 2048
DEMO_KEY = "demo-key"
_REFUSED = 2


def up(
    context: typer.Context,
    *,
    gateway_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default 8787; 0 picks a free one.")
    ] = None,
    office_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Default 8788; 0 picks a free one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Start the gateway (model calls) and the back office (REST, compaction); Ctrl-C stops both.

    Without a farthing.toml that names a provider it serves a demo workspace, in which a
    simulator answers for sim-small, sim-medium, sim-large and sim-embed. A process that dies is
    started again; calls wait meanwhile. SIGTERM lets calls in flight end first.
    """
    from farthing.config import Settings

    folder = folder_of(context)
    settings = Settings.load(folder)
    if unread := Settings.unread(folder):
        sys.stderr.write(f"farthing: {unread} is not read: {settings.path} comes before it.\n")
    demo = _prepared(folder, settings, quiet=as_json)
    settings = Settings.load(folder)
    gateway, office = settings.gateway, settings.office
    check_certificate("gateway", gateway)
    check_certificate("office", office)
    entered = _entered(folder, settings, demo=demo)
    doors = [
        _Door("gateway", gateway.host, gateway.port if gateway_port is None else gateway_port,
              secure=gateway.tls_cert is not None),
        _Door("office", office.host, office.port if office_port is None else office_port,
              secure=office.tls_cert is not None),
    ]  # fmt: skip
    with _supervised(folder, doors, gateway.drain_seconds) as supervisor:
        supervisor.start()
        told = {"admin_token": _admin_token(folder), **entered}
        _announce({**{door.name: door.url for door in doors}, **told}, as_json=as_json)
        code = supervisor.watch()
    raise typer.Exit(code)


class _Door:
    """A listening socket that outlives the process behind it."""

    def __init__(self, name: str, host: str, port: int, *, secure: bool) -> None:
        self.name = name
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._bind(host, port)
            self.socket.listen(BACKLOG)
        except OSError as error:
            raise Unavailable(
                f"{host}:{port} cannot be opened for the {name}: {error.strerror}. "
                f"Stop what uses it, or choose another with --{name}-port."
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{'https' if secure else 'http'}://{shown}:{self.socket.getsockname()[1]}"

    def _bind(self, host: str, port: int) -> None:
        """Processes of a supervisor that was killed let go of their ports within moments."""
        until = time.monotonic() + PORT_SECONDS
        while True:
            try:
                self.socket.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                return


class _Child:
    """One of the two processes, started again when it ends by itself."""

    def __init__(self, folder: Path, door: _Door) -> None:
        self._folder, self.door = folder, door
        self.process: subprocess.Popen[bytes]
        self.ready = -1
        self._alive = -1
        self.pause, self.born = FIRST_PAUSE, 0.0
        self.again: float | None = None

    def start(self) -> None:
        self.ready, ready = os.pipe()
        alive, self._alive = os.pipe()
        fd = self.door.socket.fileno()
        command = [sys.executable, "-m", f"farthing.cli.{self.door.name}_process"]
        command += ["--workspace", str(self._folder), "--fd", str(fd)]
        command += ["--ready-fd", str(ready), "--alive-fd", str(alive)]
        self.process = subprocess.Popen(
            command,
            pass_fds=(fd, ready, alive),
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
        )
        os.close(ready)
        os.close(alive)
        self.born, self.again = time.monotonic(), None

    def wait_until_ready(self) -> None:
        """Raises Unavailable, or SystemExit with the code of a process that refused to start."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.ready, selectors.EVENT_READ)
            if not selector.select(START_SECONDS):
                raise Unavailable(f"The {self.door.name} did not start in {START_SECONDS:g} s.")
        if not os.read(self.ready, 16):
            raise SystemExit(self.process.wait() or Unavailable.exit_code)
        self._heard()

    def _heard(self) -> None:
        if self.ready >= 0:
            os.close(self.ready)
            self.ready = -1

    def ended(self) -> None:
        """It died: again after a pause, which grows while it keeps dying."""
        os.close(self._alive)
        self._heard()
        if time.monotonic() - self.born > LONGEST_PAUSE:
            self.pause = FIRST_PAUSE
        self.again = time.monotonic() + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE)
        code = self.process.returncode
        sys.stderr.write(f"farthing: the {self.door.name} ended ({code}); starting it again.\n")


class _Supervisor:
    def __init__(self, folder: Path, doors: list[_Door], drain: float) -> None:
        self._children = [_Child(folder, door) for door in doors]
        self._drain = drain
        self._stopping = False

    def start(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        for child in self._children:
            child.start()
        for child in self._children:
            child.wait_until_ready()

    def watch(self) -> int:
        """Until told to stop. 0: everything in flight ended."""
        while not self._stopping:
            for child in self._children:
                if child.again is not None:
                    if time.monotonic() >= child.again:
                        child.start()
                elif child.process.poll() is not None:
                    child.ended()
            time.sleep(0.05)
        return 0

    def end(self) -> None:
        running = [child.process for child in self._children if hasattr(child, "process")]
        for process in running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = time.monotonic() + self._drain + KILL_AFTER
        for process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _stop(self, *_: object) -> None:
        self._stopping = True


@contextmanager
def _supervised(folder: Path, doors: list[_Door], drain: float) -> Iterator[_Supervisor]:
    supervisor = _Supervisor(folder, doors, drain)
    try:
        yield supervisor
    finally:
        supervisor.end()


def _prepared(folder: Path, settings: Settings, *, quiet: bool) -> bool:
    """Whether this is the demo; it is built where there is nothing yet."""
    from farthing.demo.build import MARK

    if any(each.kind for each in settings.providers.values()):
        return False
    if (folder / MARK).exists():
        return True
    if settings.path is not None or (folder / "workspace.json").exists():
        raise Refused(
            "No provider that can be called is configured. `farthing init` writes a farthing.toml; "
            "give each [providers.NAME] a kind."
        )
    _build_demo(folder, quiet=quiet)
    return True


def _build_demo(folder: Path, *, quiet: bool) -> None:
    from datetime import UTC, datetime

    from farthing.cli.progress import bar, nothing
    from farthing.demo.build import build_workspace, wanted
    from farthing.ledger.intake import Rim
    from farthing.registry import IMPORTERS, plugins

    today = datetime.now(UTC).date()
    plan = wanted(folder, today, seed=None, calls=None, month=None)
    with nothing() if quiet else bar() as progress:
        rim = Rim(tuple(plugins(IMPORTERS)), lambda: datetime.now(UTC), progress)
        build_workspace(folder, plan, rim)


def _entered(folder: Path, settings: Settings, *, demo: bool) -> dict[str, str | None]:
    """The settings into state.db at the first start, and the demo's key."""
    from farthing.cli import declared
    from farthing.ledger.state import State
    from farthing.ledger.workspace import Workspace

    state = State.open(Workspace.open(folder).root)
    try:
        if not declared.is_applied(state):
            _, tokens = declared.apply(state, settings, me("config"))
            for name, token in tokens.items():
                sys.stderr.write(f"farthing: key {name}: {token}\n")
        elif drift := declared.drift(state, settings, me().at):
            names = ", ".join(f"{each.kind} {each.name}" for each in drift[:5])
            sys.stderr.write(
                f"farthing: {settings.path} differs from what is in force: {names}. "
                "`farthing config apply` puts it in force.\n"
            )
        return {"demo_key": _demo_key(folder, state) if demo else None}
    finally:
        state.close()


def _admin_token(folder: Path) -> str | None:
    """Made at the first start that succeeds: only then is anybody told it."""
    from farthing.access.admin import ensure_admin_token
    from farthing.ledger.state import State
    from farthing.ledger.workspace import Workspace

    state = State.open(Workspace.open(folder).root)
    try:
        return ensure_admin_token(state, me())
    finally:
        state.close()


def _demo_key(folder: Path, state: State) -> str:
    """A key to try the simulator with; it opens nothing else, so it may lie in a file."""
    from farthing.access import store
    from farthing.access.keys import Key, new_id
    from farthing.ledger.durable import replace_text

    file = folder / DEMO_KEY
    if not file.exists():
        by = me("demo")
        key = Key(id=new_id(), tenant="demo", scope={"team": "demo"}, name="demo", created_at=by.at)
        with state.changing() as change:
            token = store.add(change, key, "demo", by)
        replace_text(file, token + "\n")
        file.chmod(0o600)
    return file.read_text().strip()


def _announce(told: dict[str, str | None], *, as_json: bool) -> None:
    if as_json or not sys.stdout.isatty():
        typer.echo(json.dumps(told))
    else:
        lines = [
            f"Gateway      {told['gateway']}   OPENAI_BASE_URL={told['gateway']}/v1",
            f"                                      ANTHROPIC_BASE_URL={told['gateway']}",
            f"Back office  {told['office']}",
        ]
        if told["admin_token"]:
            lines.append(f"Admin token  {told['admin_token']}   (shown this once)")
        if told["demo_key"]:
            lines.append(f"Demo key     {told['demo_key']}   for sim-small, sim-medium, sim-large")
        typer.echo("\n".join(lines))
    sys.stdout.flush()
