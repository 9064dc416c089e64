"""`farthing budget`: limits, set, listed, raised, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from farthing.cli import changing, reading
from farthing.cli.reading import Json

if TYPE_CHECKING:
    from datetime import datetime

    from farthing.budgets.budget import Budget
    from farthing.budgets.store import Stored, Sum
    from farthing.domain.money import Money
    from farthing.ledger.state import State

app = typer.Typer(name="budget", help="How much may be spent, by whom.", no_args_is_help=True)

LARGEST = 20
Name = Annotated[str, typer.Argument(metavar="NAME", help="Any name of letters, digits, - _ . :")]


@app.command("set")
def set_(  # noqa: PLR0913  one argument per option
    ctx: typer.Context,
    name: Name,
    *,
    limit: Annotated[str, typer.Option(help="100/month; also /day, /week, /total, /run.")],
    where: Annotated[str, typer.Option(help="Which calls: team=search. Default: every call.")] = "",
    soft: Annotated[bool, typer.Option("--soft", help="Tell, and refuse nothing.")] = False,
    per: Annotated[
        str | None, typer.Option(help="A limit for each customer, key … of its own.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Whose days, such as Europe/Berlin. Default: the settings'.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Set a budget, or change the one of that name. What its calls have cost already counts."""
    from farthing.access.store import tenants
    from farthing.budgets import store
    from farthing.budgets.budget import Budget, parse_limit
    from farthing.budgets.opening import put_with

    usd, span = parse_limit(limit)
    budget = Budget(
        name=name,
        limit=usd,
        span=span,
        where=where,
        hard=not soft,
        per=per,
        timezone=timezone or reading.settings_of(ctx).timezone,
    ).checked()
    with changing.state_of(ctx) as state:
        by = changing.me()
        put_with(
            state,
            lambda: [budget] if store.counts_anew(state, budget) else [],
            lambda: tenants(state),
            by.at,
            lambda change, openings: store.put(change, budget, "cli", by, openings.get(name)),
        )
        _print_one(state, name, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: Json = False) -> None:
    """Every budget, and what is spent of it in the current period."""
    from farthing.budgets.store import all_budgets

    now = reading.now()
    with changing.state_of(ctx, create=False) as state:
        rows = [_shown(state, stored, now) for stored in all_budgets(state).values()]
    if as_json:
        reading.print_json(rows)
    elif rows:
        _print_table(rows)
    else:
        typer.echo("No budgets yet. `farthing budget set NAME --limit 100/month` makes one.")


@app.command()
def show(ctx: typer.Context, name: Name, *, as_json: Json = False) -> None:
    """One budget, and what is spent of it in the current period."""
    with changing.state_of(ctx, create=False) as state:
        _print_one(state, name, as_json=as_json)


@app.command("raise")
def raise_(
    ctx: typer.Context,
    name: Name,
    *,
    limit: Annotated[str | None, typer.Option(help="The new limit: 200/month.")] = None,
    by: Annotated[str | None, typer.Option(help="Dollars more: 50.")] = None,
    as_json: Json = False,
) -> None:
    """Raise a limit. Where the budget was blocked, it grants again what it can cover."""
    import msgspec

    from farthing.budgets import store
    from farthing.domain.errors import Refused

    if (limit is None) == (by is None):
        raise Refused("Say how far: --limit 200/month or --by 50, one of them.")
    me = changing.me()
    with changing.state_of(ctx, create=False) as state:
        with state.changing() as change:
            found = store.one_budget(state, name)
            raised = _raised(found.budget, limit, by)
            store.put(change, msgspec.structs.replace(found.budget, limit=raised), found.origin, me)
            store.lift(change, name, me)
        _print_one(state, name, as_json=as_json)


@app.command()
def remove(ctx: typer.Context, name: Name, *, as_json: Json = False) -> None:
    """Take a budget away, with what is known to be spent of it. The ledger's rows stay."""
    from farthing.budgets import store

    with changing.state_of(ctx, create=False) as state, state.changing() as change:
        store.one_budget(state, name)
        store.remove(change, name, changing.me())
    if as_json:
        reading.print_json({"removed": name})
    else:
        typer.echo(f"Budget {name} is removed.")


def _raised(budget: Budget, limit: str | None, by: str | None) -> Money:
    from farthing.budgets.budget import parse_limit
    from farthing.domain.errors import InexactNumber, Refused
    from farthing.domain.money import Money

    if limit is not None:
        raised, span = parse_limit(limit)
        if span != budget.span:
            raise Refused(
                f"Budget {budget.name} is for a {budget.span}, not a {span}. Write "
                f"{raised}/{budget.span}, or change it with `farthing budget set {budget.name}`."
            )
    else:
        try:
            raised = budget.limit + Money.of((by or "").removeprefix("$"))
        except InexactNumber as error:
            raise Refused(f"--by {by!r} is no amount. Write dollars, such as 50.") from error
    if raised <= budget.limit:
        raise Refused(
            f"{raised} USD does not raise the limit of {budget.limit} USD. Lower it with "
            f"`farthing budget set {budget.name} --limit …`."
        )
    return raised


def _shown(state: State, stored: Stored, now: datetime) -> dict[str, Any]:
    """A budget as JSON has it. Where sessions or customers have sums of their own, the largest."""
    from farthing.budgets.periods import label_of, period_of
    from farthing.budgets.store import current_sums
    from farthing.domain.money import Money

    budget = stored.budget
    sums = current_sums(state, budget, now)
    start, end = period_of(budget.span, budget.timezone, now)
    settled = Money.sum(each.settled for each in sums)
    opened = stored.opened
    carried = opened.carried if opened and opened.at >= label_of(start) else Money.ZERO
    apart = budget.per is not None or budget.span == "run"
    return {
        "name": budget.name,
        "where": budget.where,
        "limit_usd": str(budget.limit),
        "span": budget.span,
        "hard": budget.hard,
        "per": budget.per,
        "timezone": budget.timezone,
        "origin": stored.origin,
        "period_start": label_of(start) or None,
        "period_end": label_of(end) or None,
        "counts_since": opened.at if opened else None,
        "carried_usd": str(carried),
        "settled_usd": str(settled),
        "remaining_usd": None if apart else str(_remaining(budget, settled)),
        "blocked": next((each.blocked for each in sums if each.blocked), None),
        "instances": [_instance(budget, each) for each in sums[:LARGEST]] if apart else [],
    }


def _instance(budget: Budget, found: Sum) -> dict[str, str | None]:
    return {
        "instance": found.instance,
        "settled_usd": str(found.settled),
        "remaining_usd": str(_remaining(budget, found.settled)),
        "blocked": found.blocked,
    }


def _remaining(budget: Budget, settled: Money) -> Money:
    from farthing.domain.money import Money

    return max(budget.limit - settled, Money.ZERO)


def _print_one(state: State, name: str, *, as_json: bool) -> None:
    from farthing.budgets.store import one_budget

    shown = _shown(state, one_budget(state, name), reading.now())
    if as_json:
        reading.print_json(shown)
    else:
        _print_table([shown])


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("budget", "of calls", "kind"):
        table.add_column(title)
    for title in ("limit", "settled", "left"):
        table.add_column(f"{title}, USD", justify="right", no_wrap=True)
    table.add_column("note")
    for row in rows:
        kind, each = "hard" if row["hard"] else "soft", f" per {row['per']}" if row["per"] else ""
        limit = f"{row['limit_usd']}/{row['span']}"
        left = row["remaining_usd"] or ("see below" if row["instances"] else "")
        money = (limit, row["settled_usd"], left)
        table.add_row(row["name"], row["where"] or "all", kind + each, *money, _note(row))
        for one in row["instances"]:
            money = ("", one["settled_usd"], one["remaining_usd"])
            table.add_row(f"  {one['instance']}", "", "", *money, one["blocked"] or "")
    reading.console().print(table)


def _note(row: dict[str, Any]) -> str:
    carried = f"{row['carried_usd']} of it from before {row['counts_since']}"
    told = [row["blocked"], carried if row["carried_usd"] != "0" else None]
    return "; ".join(filter(None, told))
