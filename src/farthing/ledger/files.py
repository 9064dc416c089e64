"""Find and open what the user names: files, folders, globs, standard input, gzip and zstd."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO

from farthing.domain.errors import BadInput

HEAD_BYTES = 64 * 1024
_USUAL_PACKING = 8  # logs shrink to about an eighth; only an estimate hangs on it
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class File:
    """A file to import; satisfies `importer.Source`."""

    name: str
    path: Path

    @cached_property
    def compression(self) -> str | None:
        with self.path.open("rb") as raw:
            magic = raw.read(4)
        if magic.startswith(_GZIP):
            return "gzip"
        return "zstd" if magic == _ZSTD else None

    @cached_property
    def head(self) -> bytes:
        with decoding(self.name), self.open() as stream:
            return stream.read(HEAD_BYTES)

    @property
    def rows(self) -> int:
        """About how many lines it has, from the length of the first ones; 0 where unknown."""
        lines = self.head.count(b"\n")
        packed = 1 if self.compression is None else _USUAL_PACKING
        return self.path.stat().st_size * packed * lines // max(1, len(self.head))

    def open(self) -> BinaryIO:
        """The bytes, decompressed. Read inside `decoding` to have damage named."""
        if self.compression == "gzip":
            return gzip.open(self.path, "rb")  # type: ignore[return-value]  # a BinaryIO in all but name
        if self.compression == "zstd":
            import zstandard

            reader = zstandard.ZstdDecompressor().stream_reader(
                self.path.open("rb"), read_across_frames=True
            )
            return io.BufferedReader(reader)
        return self.path.open("rb")


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Name the file when its compressed bytes turn out to be damaged."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(name) from error


def damaged(name: str) -> BadInput:
    return BadInput(
        name,
        "the compressed file is cut off or damaged",
        "Fetch it again and check it with `gzip -t` or `zstd -t`.",
    )


def find(names: Sequence[str], spool: Path) -> list[File]:
    """Every file behind `names`, in a stable order. `-` is read into `spool` first.

    Hidden files in folders are passed over. A name that finds nothing is refused.
    """
    found: list[File] = []
    for name in names:
        matches = [_standard_input(spool)] if name == "-" else sorted(_expand(name))
        if not matches:
            raise BadInput(name, "no such file", "Check the path; quote globs for your shell.")
        found += (File("-" if name == "-" else str(path), path) for path in matches)
    return list(dict.fromkeys(found))


def _expand(name: str) -> Iterator[Path]:
    # Path.glob takes no absolute pattern.
    names = glob(name, recursive=True) if has_magic(name) else [name]  # noqa: PTH207
    for match in map(Path, names):
        if match.is_dir():
            inside = (path for path in match.rglob("*") if path.is_file())
            yield from (
                path
                for path in inside
                if not any(part.startswith(".") for part in path.relative_to(match).parts)
            )
        elif match.is_file():
            yield match


def _standard_input(spool: Path) -> Path:
    target = spool / "stdin"
    with target.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return target
