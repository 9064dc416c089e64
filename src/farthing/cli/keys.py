"""`farthing key`: virtual keys, made, listed, rotated, revoked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import changing, reading
from farthing.cli.reading import Json

if TYPE_CHECKING:
    from datetime import datetime

    from farthing.access.keys import Key, Rates

app = typer.Typer(name="key", help="Virtual keys: who calls, and what for.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="As `key list` shows it.")]
_RATE = re.compile(r"(\$)?(\d+(?:\.\d+)?)\s*(requests|tokens)?\s*/\s*min|(\d+)\s*parallel")


@app.command()
def create(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    *,
    team: Annotated[str, typer.Option(help="Whose cost its calls are.")],
    tenant: Annotated[
        str | None, typer.Option(help="Who may share its cached answers. Default: the team.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="The project, if it is one's.")] = None,
    feature: Annotated[str | None, typer.Option(help="The feature, if it is one's.")] = None,
    customer: Annotated[str | None, typer.Option(help="The customer, if it is one's.")] = None,
    environment: Annotated[str | None, typer.Option(help="prod, dev …")] = None,
    cost_center: Annotated[str | None, typer.Option(help="The cost center.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="name=value; may be repeated.")] = None,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="A glob of models it may ask; may be repeated.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="30d, 24h, or a date.")] = None,
    rate: Annotated[
        list[str] | None,
        typer.Option(help="600/min, 90000tokens/min, $2.50/min or 8parallel; may be repeated."),
    ] = None,
    hard_budget: Annotated[
        str | None, typer.Option(help="1.00/month, week, day, total or run: refuses what exceeds.")
    ] = None,
    soft_budget: Annotated[
        str | None, typer.Option(help="Written like --hard-budget; tells, and refuses nothing.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once.

    What is kept is its hash. A budget of its own is called key-ID (the soft one key-ID-soft).
    """
    from farthing.access import store
    from farthing.access.keys import Key, new_id
    from farthing.budgets.budget import own
    from farthing.budgets.store import put

    by = changing.me()
    given = {"team": team, "project": project, "feature": feature, "customer": customer}
    given |= {"environment": environment, "cost_center": cost_center}
    key = Key(
        id=new_id(),
        tenant=team if tenant is None else tenant,
        scope={field: value for field, value in given.items() if value is not None},
        tags=_tags(tag or []),
        name=name,
        models=tuple(model or ()),
        rates=_rates(rate or []),
        created_at=by.at,
        expires_at=None if expires is None else _deadline(ctx, expires, by.at),
    ).checked()
    budgets = own(key.id, hard_budget, soft_budget)
    with changing.state_of(ctx) as state, state.changing() as change:
        token = store.add(change, key, "cli", by)
        for budget in budgets.values():
            put(change, budget, "key", by)
    _print_token(key.id, token, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Every key there was, and whether it is active, expired or revoked. Secrets are nowhere."""
    from farthing.access.store import all_keys

    now = reading.now()
    with changing.state_of(ctx, create=False) as state:
        rows = [_shown(key, now) for key in all_keys(state)]
    if as_json:
        reading.print_json(rows)
        return
    if not rows:
        typer.echo("No keys yet. `farthing key create --team TEAM` makes one.")
        return
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("id", "name", "state", "team", "tenant", "models", "created", "expires"):
        table.add_column(title)
    for row in rows:
        team, models = row["scope"]["team"], " ".join(row["models"]) or "all"
        cells = (row["id"], row["name"] or "-", row["state"], team, row["tenant"], models)
        table.add_row(*cells, row["created_at"], row["expires_at"] or "-")
    reading.console().print(table)


@app.command()
def rotate(
    ctx: typer.Context,
    id: Id,
    *,
    keep: Annotated[str, typer.Option(help="How long the old secret lives on.")] = "24h",
    as_json: Json = False,
) -> None:
    """Give a key a new secret and print it, this once.

    The id stays, so its scope, budgets and reports go on; the old secret works for --keep.
    """
    from farthing.access import store
    from farthing.domain.period import duration
    from farthing.ledger.audit import moment

    lives = duration(keep)
    with changing.state_of(ctx, create=False) as state, state.changing() as change:
        token, ends = store.rotate(change, id, lives, changing.me())
    _print_token(id, token, as_json=as_json, old_expires_at=moment(ends))


@app.command()
def revoke(ctx: typer.Context, id: Id, *, as_json: Json = False) -> None:
    """End a key at once, with every secret it has. A running gateway knows within a second."""
    from farthing.access import store

    by = changing.me()
    with changing.state_of(ctx, create=False) as state, state.changing() as change:
        key = store.revoke(change, id, by)
    if as_json:
        reading.print_json(_shown(key, by.at))
    else:
        typer.echo(f"Key {id} is revoked.")


def _deadline(ctx: typer.Context, text: str, now: datetime) -> datetime:
    from farthing.domain.period import deadline

    return deadline(text, now, reading.zone_of(None, reading.settings_of(ctx)))


def _tags(texts: list[str]) -> dict[str, str]:
    from farthing.domain.errors import Refused

    pairs = [text.partition("=") for text in texts]
    for name, _, value in pairs:
        if not name or not value:
            raise Refused(f"--tag {name!r} is no tag. Write name=value, such as ticket=OPS-1.")
    return {name: value for name, _, value in pairs}


def _rates(texts: list[str]) -> Rates:
    from farthing.access.keys import Rates
    from farthing.domain.money import Money

    found: dict[str, Any] = {}
    for text in texts:
        read = _RATE.fullmatch(text.strip())
        if read is None or (read[1] and read[3]):
            raise _no_rate(text)
        if read[4]:
            found["concurrency"] = int(read[4])
        elif read[1]:
            found["usd_per_minute"] = Money.of(read[2])
        elif "." in read[2]:
            raise _no_rate(text)
        else:
            found[f"{read[3] or 'requests'}_per_minute"] = int(read[2])
    return Rates(**found)


def _no_rate(text: str) -> Exception:
    from farthing.domain.errors import Refused

    return Refused(
        f"--rate {text!r} is no rate. Write 600/min, 90000tokens/min, $2.50/min or 8parallel."
    )


def _print_token(id: str, token: str, *, as_json: bool, **more: str) -> None:
    if as_json:
        reading.print_json({"id": id, "key": token, **more})
        return
    typer.echo(token)
    typer.echo(f"This is key {id}. Keep it now: it is not shown again.", err=True)
    if more:
        typer.echo(f"The old secret works until {more['old_expires_at']}.", err=True)


def _shown(key: Key, now: datetime) -> dict[str, Any]:
    from farthing.ledger.audit import moment

    def written(when: datetime | None) -> str | None:
        return None if when is None else moment(when)

    usd = key.rates.usd_per_minute
    return {
        "id": key.id,
        "name": key.name,
        "state": key.state(now),
        "tenant": key.tenant,
        "scope": dict(key.scope),
        "tags": dict(key.tags),
        "models": list(key.models),
        "requests_per_minute": key.rates.requests_per_minute,
        "tokens_per_minute": key.rates.tokens_per_minute,
        "usd_per_minute": None if usd is None else str(usd),
        "concurrency": key.rates.concurrency,
        "created_at": written(key.created_at),
        "expires_at": written(key.expires_at),
        "revoked_at": written(key.revoked_at),
    }
