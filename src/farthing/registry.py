"""Find plugins: every module in a kind's folder, then the entry points of other packages.

A plugin is one constant, such as `IMPORTER`, in a file of its own. One that cannot be loaded is
reported as `Broken` beside those that can, so that it never takes the rest down with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of plugin. Other packages offer theirs under the entry point group `folder`."""

    name: str
    folder: str  # the package whose modules each are one plugin
    constant: str  # what such a module exports
    protocol: str  # `module:Name` of what the constant must satisfy


IMPORTERS = Kind(
    "importer", "farthing.ledger.importers", "IMPORTER", "farthing.ledger.importer:Importer"
)
PRICE_SOURCES = Kind(
    "price source", "farthing.prices.sources", "SOURCE", "farthing.prices.source:Source"
)
PROTOCOLS = Kind(
    "protocol", "farthing.providers.protocols", "PROTOCOL", "farthing.providers.protocol:Protocol"
)
KINDS = (IMPORTERS, PRICE_SOURCES, PROTOCOLS)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that loaded. `origin` is its module, or the package and version it came with."""

    name: str
    origin: str
    value: Any


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that did not load, with the reason in one line."""

    name: str
    origin: str
    reason: str


def plugins(kind: Kind) -> list[Any]:
    """Every working plugin of a kind: those in its folder by name, then those of other packages."""
    return [found.value for found in find(kind) if isinstance(found, Plugin)]


def find(kind: Kind) -> list[Plugin | Broken]:
    """Every plugin of a kind, with those that are broken. A name counts once: the first one."""
    found: dict[str, Plugin | Broken] = {}
    for name, origin, load in (*_in_folder(kind), *_by_entry_point(kind)):
        plugin = _load(kind, name, origin, load)
        if plugin.name in found:
            taken = f"{plugin.name!r} is already the name of {found[plugin.name].origin}"
            found[f"{plugin.name} {origin}"] = Broken(plugin.name, origin, taken)
        else:
            found[plugin.name] = plugin
    return list(found.values())


_Candidate = tuple[str, str, Callable[[], Any]]


def _in_folder(kind: Kind) -> Iterator[_Candidate]:
    try:
        folder = import_module(kind.folder)
    except ModuleNotFoundError:  # the room is not built
        return
    for name in sorted(module.name for module in iter_modules(folder.__path__)):
        origin = f"{kind.folder}.{name}"
        if not name.startswith("_"):
            yield name, origin, partial(_export, origin, kind.constant)


def _export(module: str, constant: str) -> Any:
    return getattr(import_module(module), constant)


def _by_entry_point(kind: Kind) -> Iterator[_Candidate]:
    for point in sorted(entry_points(group=kind.folder), key=lambda point: point.name):
        yield point.name, _origin(point), point.load


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.value


def _load(kind: Kind, name: str, origin: str, load: Callable[[], Any]) -> Plugin | Broken:
    try:
        value = load()
        lacking = sorted(member for member in _members(kind) if not hasattr(value, member))
    except (Exception, SystemExit) as error:  # noqa: BLE001  a stranger's module may do anything
        return Broken(name, origin, " ".join(f"{type(error).__name__}: {error}".split()))
    if lacking:
        return Broken(name, origin, f"{kind.constant} lacks {', '.join(lacking)}")
    return Plugin(value.name, origin, value)


def _members(kind: Kind) -> set[str]:
    module, _, name = kind.protocol.partition(":")
    protocol = getattr(import_module(module), name)
    declared = {*vars(protocol), *vars(protocol).get("__annotations__", {})}
    return {member for member in declared if not member.startswith("_")} | {"name"}
