"""The back office as an ASGI app: health, metrics, traces in, and the chores behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from farthing.api import answers, metrics
from farthing.api.callers import Callers
from farthing.api.chores import Lanes, Run
from farthing.api.doorway import Doorway
from farthing.api.housekeeping import Housekeeping
from farthing.api.metrics import Metrics
from farthing.api.telemetry import Telemetry
from farthing.api.traces import Traces
from farthing.config import Settings
from farthing.domain.errors import FarthingError
from farthing.ledger import durable
from farthing.ledger.inbox import Inbox
from farthing.ledger.state import State
from farthing.ledger.workspace import Workspace


class Office:
    """One for a workspace. Made and closed by the thread whose event loop serves it."""

    def __init__(self, root: Path) -> None:
        self.workspace = Workspace.open(root)
        settings = Settings.load(root)
        self.settings = settings.office
        self.state = State.open(root)
        housekeeping = Housekeeping(self.workspace, Inbox(self.workspace))
        telemetry = Telemetry(self.workspace, settings, self.state)
        self.chores = Lanes(housekeeping.chores(), *telemetry.lanes())
        self.traces = Traces(Callers(self.state), housekeeping.inbox)
        self.metrics = Metrics(self.chores, housekeeping, self.traces, telemetry)

    async def close(self) -> None:
        await self.chores.stop()
        self.state.close()


def app(office: Office) -> ASGIApp:
    """Chores run while the app does; when it ends, the office is closed."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        office.chores.start()
        try:
            yield
        finally:
            await office.close()

    served = Starlette(
        routes=[
            Route("/healthz", _alive),
            Route("/readyz", _ready),
            Route("/metrics", _metrics),
            Route("/v1/traces", _traces, methods=["POST"]),
        ],
        exception_handlers={
            FarthingError: answers.of_farthing,
            HTTPException: answers.of_http,
            Exception: answers.of_defect,
        },
        lifespan=lifespan,
    )
    served.state.office = office
    return Doorway(served, (office.settings.host, *office.settings.allowed_hosts))


async def _alive(_: Request) -> Response:
    return answers.answer({"alive": True})


async def _ready(request: Request) -> Response:
    """Whether the workspace can be read and written, and state.db answers; how the chores went."""
    office: Office = request.app.state.office
    error = None
    try:
        office.state.version()
        await asyncio.to_thread(Workspace.open, office.workspace.root, create=False)
        await asyncio.to_thread(durable.try_room, office.workspace.root)
    except FarthingError as failure:
        error = str(failure)
    runs = {name: _told(run) for name, run in office.chores.runs.items()}
    told = {"ready": error is None, "error": error, "chores": runs}
    return answers.answer(told, 503 if error else 200)


async def _metrics(request: Request) -> Response:
    office: Office = request.app.state.office
    return metrics.page(office.metrics)


async def _traces(request: Request) -> Response:
    office: Office = request.app.state.office
    return await office.traces(request)


def _told(run: Run) -> dict[str, object]:
    return {"done_at": run.done_at, "failed_at": run.failed_at, "error": run.error}
