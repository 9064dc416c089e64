"""Settings, read once from farthing.toml into one frozen value."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from farthing.domain.errors import Refused
from farthing.domain.scope import SCOPE
from farthing.domain.where import parse

FILE = "farthing.toml"


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


class Upstream(msgspec.Struct, frozen=True):
    """`[providers.NAME]`: an account with a provider. The gateway's fields come with it."""

    kind: str | None = None
    priced_as: str | None = None
    account: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is configured. `prices` stays raw: the price book reads and checks its own entries."""

    timezone: str = "UTC"
    required_tags: tuple[str, ...] = ()
    memory: str = "1100MB"  # what DuckDB may use while it imports; the process takes a little more
    currency_rates: str | None = None  # CSV file: date,currency,usd (USD for one unit)
    providers: dict[str, Upstream] = {}
    prices: tuple[dict[str, Any], ...] = ()
    allocate: tuple[Rule, ...] = ()
    splits: tuple[Split, ...] = ()
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
            found = tomllib.loads(file.read_text("utf-8"))
            settings = msgspec.convert(found, cls)
            settings._check(file)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise Refused(f"{file} is not valid TOML: {error}.") from error
        except msgspec.ValidationError as error:
            raise Refused(f"{file}: {error}. See docs/configuration.md.") from error
        return msgspec.structs.replace(settings, path=file)

    def _check(self, file: Path) -> None:
        """What a type cannot say: filters that parse, a size that is one."""
        if not re.fullmatch(r"[1-9]\d*\s*[KMGT]i?B", self.memory):
            raise Refused(f'{file}: memory = "{self.memory}" is no size. Write it as "1100MB".')
        filters = {
            "allocate": [rule.match for rule in self.allocate],
            "splits": [split.match for split in self.splits],
        }
        for table, texts in filters.items():
            for number, text in enumerate(texts, 1):
                try:
                    parse(text)
                except Refused as error:
                    raise Refused(f"{file}, [[{table}]] entry {number}: {error}") from error
