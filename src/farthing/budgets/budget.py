"""How much may be spent, by whom, in which stretch of time."""

from __future__ import annotations

import re
from typing import Literal, get_args

import msgspec

from farthing.domain.errors import InexactNumber, Refused
from farthing.domain.money import Money
from farthing.domain.period import zone
from farthing.domain.where import parse

Span = Literal["day", "week", "month", "total", "run"]
SPANS: tuple[str, ...] = get_args(Span)

_LIMIT = re.compile(r"\$?(\d+(?:\.\d+)?)/(\w+)")
_FIELD = re.compile(r"[A-Za-z_][\w.\-]{0,99}")
_NAME = re.compile(r"[A-Za-z0-9][\w.:\-]{0,99}")


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A limit on what the calls matching `where` may cost in each `span`.

    `run` is a session (x-farthing-session): each has a sum of its own. So has each value of the
    scope field `per` (customer, key …) where one is named. Days, weeks (from Monday) and months
    are those of `timezone`. A hard budget refuses, a soft one tells.
    """

    name: str
    limit: Money
    span: Span
    where: str = ""  # as `--where` takes it; empty: every call
    hard: bool = True
    per: str | None = None
    timezone: str = "UTC"

    @property
    def counts(self) -> tuple[object, ...]:
        """Which dollars it counts, and how apart: budgets that agree in this have equal sums."""
        apart = "" if self.span in {"total", "run"} else self.timezone
        return parse(self.where) if self.where else (), self.span, self.per, apart

    def checked(self) -> Budget:
        """Itself, or Refused with what is wrong with it."""
        if not _NAME.fullmatch(self.name):
            raise Refused(f"{self.name!r} is no budget's name. Use letters, digits, - _ . and :")
        if self.where:
            parse(self.where)
        if self.per is not None and not _FIELD.fullmatch(self.per):
            raise Refused(f"{self.per!r} is no field. Name one, such as customer or key.")
        zone(self.timezone)
        return self


def bare(field: str) -> str:
    """A tag's name as the facts of a call have it."""
    return field.removeprefix("tags.").removeprefix("tag.")


def parse_limit(text: str) -> tuple[Money, Span]:
    """Read `100/month`, `$0.25/run`."""
    found = _LIMIT.fullmatch(text.strip())
    if found is None or found[2] not in SPANS:
        raise Refused(
            f"{text!r} is no limit. Write dollars/span, such as 100/month or 0.50/run; "
            f"the spans are {', '.join(SPANS)}."
        )
    try:
        return Money.of(found[1]), found[2]  # type: ignore[return-value]  # by the check above
    except InexactNumber as error:
        raise Refused(f"{found[1]} has more than twelve decimals.") from error


def own(key: str, hard: str | None, soft: str | None) -> dict[str, Budget]:
    """A key's own budgets by name. They follow it through rotations, as its id stays."""
    limits = {f"key-{key}": hard, f"key-{key}-soft": soft}
    found = {name: parse_limit(text) for name, text in limits.items() if text is not None}
    return {
        name: Budget(
            name=name, limit=limit, span=span, where=f"key={key}", hard=not name.endswith("-soft")
        )
        for name, (limit, span) in found.items()
    }
