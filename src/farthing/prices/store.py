"""The file that keeps learned price lists over a restart: a cache, worth no more than that."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import msgspec

from farthing.prices.shelf import Told

FILE = "prices.json"
# What decides what a price list says, beside the list itself.
_READERS = ("shelf.py", "source.py", "tariff.py", "names.py", "units.py", "sources/genai_prices.py")


class _Kept(msgspec.Struct, frozen=True):
    edition: str
    told: tuple[Told, ...]


def read(file: Path) -> tuple[Told, ...]:
    """What was learned from the same edition; nothing where there is no such file."""
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
    except (OSError, ValueError):
        return ()
    return kept.told if kept.edition == edition() else ()


def write(file: Path, told: Sequence[Told]) -> None:
    """Put it in place whole. A full disk costs the next start a second, so it is no error."""
    new = file.with_name(f".{file.name}.{os.getpid()}")
    with suppress(OSError):
        new.write_bytes(msgspec.json.encode(_Kept(edition(), tuple(told))))
        new.replace(file)
    with suppress(OSError):
        new.unlink(missing_ok=True)


def edition() -> str:
    """Which price list, as read by which code: any other edition is learned anew."""
    told = hashlib.sha256(version("genai-prices").encode())
    for name in _READERS:
        told.update(files("farthing.prices").joinpath(name).read_bytes())
    return told.hexdigest()[:16]
