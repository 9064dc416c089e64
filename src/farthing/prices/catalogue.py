"""What machines cost: dated rows for GPUs, transfer, vector stores, serverless, edge devices."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from farthing.domain.errors import BadInput
from farthing.prices.names import provider_of

FILE = "catalogue.toml"
Kind = Literal["gpu", "instance", "transfer", "vector_store", "serverless", "edge_device"]
TERMS = ("on_demand", "spot", "one_year", "three_year")


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One published price. Prices are dollars for one `unit` of the whole row, not of one GPU.

    `since` is the day the source was read or names: a price holds from then until a later row
    of the same machine. `one_year` and `three_year` are effective prices under commitment.
    """

    kind: Kind
    provider: str
    unit: str  # instance-hours, GB, GB-months, GB-seconds, requests, devices …
    since: date
    source: str
    region: str | None = None
    zone: str | None = None
    instance: str | None = None
    accelerator: str | None = None
    count: int | None = None  # accelerators in one instance
    on_demand: Decimal | None = None
    spot: Decimal | None = None
    one_year: Decimal | None = None
    three_year: Decimal | None = None
    note: str | None = None

    @property
    def prices(self) -> dict[str, Decimal]:
        found = {term: getattr(self, term) for term in TERMS}
        return {term: price for term, price in found.items() if price is not None}

    @property
    def identity(self) -> tuple[str | None, ...]:
        """What makes two rows the same machine at two dates."""
        return (
            self.kind,
            self.provider,
            self.region,
            self.zone,
            self.instance,
            self.accelerator,
            self.unit,
        )


class Catalogue:
    """The shipped rows with the user's own over them: the same machine is the user's."""

    def __init__(self, rows: tuple[Machine, ...]) -> None:
        self.rows = rows

    @classmethod
    def load(cls, workspace: Path | str) -> Catalogue:
        """The shipped file and, if there is one, catalogue.toml of the workspace."""
        own_file = Path(workspace) / FILE
        own = _read(own_file.read_bytes(), str(own_file)) if own_file.is_file() else ()
        mine = {row.identity for row in own}
        return cls((*own, *(row for row in _shipped() if row.identity not in mine)))

    def on(self, day: date | None = None) -> Iterator[Machine]:
        """Each machine's newest row, or the one in force on a day."""
        newest: dict[tuple[str | None, ...], Machine] = {}
        for row in self.rows:
            known = newest.get(row.identity)
            if (day is None or row.since <= day) and (known is None or row.since > known.since):
                newest[row.identity] = row
        return iter(newest.values())

    def named(
        self, name: str, provider: str | None = None, day: date | None = None
    ) -> Iterator[Machine]:
        """Machines by instance, or by the words of an accelerator: `H100`, `p5.48xlarge`."""
        words = name.lower().split()
        whose = provider_of(provider) if provider else None
        for row in self.on(day):
            instance, accelerator = (row.instance or "").lower(), (row.accelerator or "").lower()
            called = {instance, *accelerator.split()}
            meant = words and (" ".join(words) == instance or called.issuperset(words))
            if meant and whose in {None, row.provider}:
                yield row


def _shipped() -> tuple[Machine, ...]:
    return _read(files("farthing.prices").joinpath(FILE).read_bytes(), FILE)


def _read(text: bytes, name: str) -> tuple[Machine, ...]:
    try:
        told = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(name, f"not valid TOML ({error})", "Correct the file.") from error
    rows = told.get("machine", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(name, "`machine` is not a list", "Write each row under [[machine]].")
    return tuple(_machine(row, f"{name}, [[machine]] {n}") for n, row in enumerate(rows, 1))


def _machine(row: Mapping[str, Any], where: str) -> Machine:
    for term in TERMS:
        if isinstance(row.get(term), float):
            raise BadInput(
                where,
                f"`{term}` is a float, which cannot hold money exactly",
                f'Write it as a string: {term} = "{row[term]}".',
            )
    try:
        machine = msgspec.convert(dict(row), Machine)
    except msgspec.ValidationError as error:
        kinds = ", ".join(get_args(Kind))
        raise BadInput(where, str(error), f"kind is one of {kinds}; see docs/prices.md.") from error
    if not machine.prices or any(not p.is_finite() or p < 0 for p in machine.prices.values()):
        raise BadInput(where, "it has no price", f"Give one of {', '.join(TERMS)}, in quotes.")
    return machine
