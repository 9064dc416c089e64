"""What a farthing.toml declares against what is in force: the drift, and how to end it.

Providers, gateway and office are no part of it: they are read from the file at every start.
"""

from __future__ import annotations

import sqlite3
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any, Literal

import msgspec

from farthing.access import rules
from farthing.access import store as keys
from farthing.access.keys import Key, Rates, new_id
from farthing.budgets import store as budgets
from farthing.budgets.budget import Budget, own, parse_limit
from farthing.budgets.opening import NONE, Opening, Openings, put_with
from farthing.config import FILE, Holder, Limit, Settings
from farthing.domain.errors import InexactNumber, Refused
from farthing.domain.money import Money
from farthing.domain.period import zone
from farthing.domain.text import from_text, to_text
from farthing.ledger.audit import By, moment
from farthing.ledger.state import State
from farthing.policy import versions
from farthing.policy.policy import parse
from farthing.policy.toml import to_toml

_APPLIED = "config_applied_at"
_Act = Callable[[sqlite3.Connection, By], str | None]


@dataclass(frozen=True, slots=True)
class Drift:
    """One thing that the file has otherwise than it is. `was` and `will` are plain values."""

    kind: Literal["key", "budget", "policy", "rules"]
    name: str
    was: Any  # None: it is added
    will: Any  # None: it is removed
    act: _Act = field(repr=False, compare=False)  # ends it; answers the token of a new key
    opens: Budget | None = field(default=None, repr=False, compare=False)  # needs an opening

    @property
    def change(self) -> Literal["added", "changed", "removed"]:
        if self.was is None:
            return "added"
        return "removed" if self.will is None else "changed"


def drift(
    state: State, settings: Settings, now: datetime, openings: Openings = NONE
) -> list[Drift]:
    """What `apply` would do. Raises Refused where the file declares what cannot be."""
    return [
        *_keys(state, settings, now, openings),
        *_budgets(state, settings, openings),
        *_policy(state, settings),
        *_rules(state, settings),
    ]


def apply(state: State, settings: Settings, by: By) -> tuple[list[Drift], dict[str, str]]:
    """Put in force what the file declares, all of it or nothing.

    Answers what changed and the tokens of new keys by name, which nobody can be told again.
    """

    def put(change: sqlite3.Connection, openings: Openings) -> tuple[list[Drift], dict[str, str]]:
        found = drift(state, settings, by.at, openings)
        tokens = {each.name: token for each in found if (token := each.act(change, by))}
        change.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (_APPLIED, moment(by.at)))
        return found, tokens

    def wanted() -> list[Budget]:
        return [each.opens for each in drift(state, settings, by.at) if each.opens]

    return put_with(state, wanted, partial(keys.tenants, state), by.at, put)


def is_applied(state: State) -> bool:
    """Whether any file ever entered: the first start applies, later ones only tell the drift."""
    return bool(state.rows("SELECT 1 FROM settings WHERE name = ?", _APPLIED))


def _keys(state: State, settings: Settings, now: datetime, openings: Openings) -> Iterator[Drift]:
    living = {
        key.name or key.id: key
        for key in keys.all_keys(state, origin="config")
        if key.revoked_at is None
    }
    for name, holder in settings.keys.items():
        known = living.pop(name, None)
        with _at(settings, f"[keys.{name}]"):
            key = _key(name, holder, known, settings, now)
            limits = own(key.id, holder.hard_budget, holder.soft_budget)
        if known is None:
            yield Drift("key", name, None, _plain(key), partial(_add, key, limits))
            continue
        if key != known:
            yield Drift("key", name, _plain(known), _plain(key), partial(_replace, key))
        stored = {
            name: found
            for name, found in budgets.all_budgets(state).items()
            if found.origin == "key" and found.budget.where == f"key={key.id}"
        }
        yield from _limits(limits, stored, "key", openings)
    for name, key in living.items():
        yield Drift("key", name, _plain(key), None, partial(_revoke, key.id))


def _budgets(state: State, settings: Settings, openings: Openings) -> Iterator[Drift]:
    wanted = {}
    for name, limit in settings.budgets.items():
        with _at(settings, f"[budgets.{name}]"):
            wanted[name] = _budget(name, limit, settings)
    stored = {
        name: found
        for name, found in budgets.all_budgets(state).items()
        if found.origin == "config" or name in wanted
    }
    yield from _limits(wanted, stored, "config", openings)


def _limits(
    wanted: Mapping[str, Budget],
    stored: Mapping[str, budgets.Stored],
    origin: str,
    openings: Openings,
) -> Iterator[Drift]:
    """A budget that somebody else set under a declared name becomes the file's."""
    for name, budget in wanted.items():
        found = stored.get(name)
        if found is None or (found.budget, found.origin) != (budget, origin):
            was = None if found is None else _plain(found.budget)
            anew = found is None or found.budget.counts != budget.counts
            act = partial(_put, budget, origin, openings.get(name))
            yield Drift("budget", name, was, _plain(budget), act, budget if anew else None)
    for name in stored.keys() - wanted.keys():
        was = _plain(stored[name].budget)
        yield Drift("budget", name, was, None, partial(_remove, name))


def _policy(state: State, settings: Settings) -> Iterator[Drift]:
    """A file without a policy leaves the one in force alone, unless it came from a file."""
    current = versions.current(state)
    was = tomllib.loads(current.text)
    if was == settings.policy or (not settings.policy and not current.author.startswith("config")):
        return
    text = to_toml(settings.policy)
    with _at(settings, "[policy]"):
        parse(text)
    why = f"{settings.path.name if settings.path else FILE} applied"
    before, after = (msgspec.to_builtins(table) or None for table in (was, settings.policy))
    yield Drift("policy", f"version {current.version}", before, after, partial(_set, text, why))


def _rules(state: State, settings: Settings) -> Iterator[Drift]:
    current = rules.current(state)
    if current != settings.allocate:
        was, will = ([_plain(rule) for rule in each] for each in (current, settings.allocate))
        act = partial(_allocate, settings.allocate)
        yield Drift("rules", "allocate", was or None, will or None, act)


def _key(name: str, holder: Holder, known: Key | None, settings: Settings, now: datetime) -> Key:
    """The key that a holder declares; the known one's id where there is one."""
    rates = Rates(
        requests_per_minute=holder.requests_per_minute,
        tokens_per_minute=holder.tokens_per_minute,
        usd_per_minute=_dollars(holder.usd_per_minute),
        concurrency=holder.concurrency,
    )
    return Key(
        id=known.id if known else new_id(),
        tenant=holder.tenant or holder.team,
        scope=holder.scope,
        tags=holder.tags,
        name=name,
        models=holder.models,
        rates=rates,
        created_at=known.created_at if known else now,
        expires_at=_midnight(holder.expires, settings),
    ).checked()


def _budget(name: str, limit: Limit, settings: Settings) -> Budget:
    usd, span = parse_limit(limit.limit)
    return Budget(
        name=name,
        limit=usd,
        span=span,
        where=limit.where,
        hard=not limit.soft,
        per=limit.per,
        timezone=limit.timezone or settings.timezone,
    ).checked()


def _midnight(day: date | None, settings: Settings) -> datetime | None:
    if day is None:
        return None
    return datetime.combine(day, time(), zone(settings.timezone)).astimezone(UTC)


def _dollars(text: str | None) -> Money | None:
    try:
        return None if text is None else Money.of(text)
    except InexactNumber as error:
        raise Refused(f'usd_per_minute = "{text}" is no amount. Write it as "2.50".') from error


@contextmanager
def _at(settings: Settings, place: str) -> Iterator[None]:
    """Say where in the file it stands, whatever is wrong with it."""
    try:
        yield
    except Refused as error:
        raise Refused(f"{settings.path or FILE}, {place}: {error}") from error


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    """As JSON has it: an id and a date that only one side knows are no difference to show."""
    found = from_text(to_text(value), dict[str, Any])
    return {name: each for name, each in found.items() if name not in {"id", "created_at"}}


def _add(key: Key, limits: Mapping[str, Budget], change: sqlite3.Connection, by: By) -> str:
    token = keys.add(change, key, "config", by)
    for budget in limits.values():
        budgets.put(change, budget, "key", by)
    return token


def _replace(key: Key, change: sqlite3.Connection, by: By) -> None:
    keys.replace(change, key, by)


def _revoke(id: str, change: sqlite3.Connection, by: By) -> None:
    keys.revoke(change, id, by)


def _put(
    budget: Budget, origin: str, opening: Opening | None, change: sqlite3.Connection, by: By
) -> None:
    budgets.put(change, budget, origin, by, opening)


def _remove(name: str, change: sqlite3.Connection, by: By) -> None:
    budgets.remove(change, name, by)


def _set(text: str, why: str, change: sqlite3.Connection, by: By) -> None:
    versions.put(change, text, by, why)


def _allocate(wanted: tuple[Any, ...], change: sqlite3.Connection, by: By) -> None:
    rules.put(change, wanted, by)
