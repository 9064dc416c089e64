"""Find and open what the user names: files, folders, globs, standard input, gzip and zstd."""

from __future__ import annotations

import gzip
import io
import os
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
LONGEST_FIRST_LINE = 4 * 1024**2  # an answer with its text; only its field names are looked at
_CHUNK = 1024**2
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
        """The first 64 KiB, or the whole first line where that is longer."""
        with decoding(self.name), self.open() as stream:
            start = stream.read(HEAD_BYTES)
            return start if b"\n" in start else start + stream.readline(LONGEST_FIRST_LINE)

    def refuse_damaged(self) -> None:
        """Read packed bytes to their end: a checksum stands there, and DuckDB does not look."""
        with decoding(self.name):
            if self.compression == "gzip":
                with self.open() as stream:
                    while stream.read(_CHUNK):
                        pass
            elif self.compression == "zstd":
                _refuse_cut_off(self.path)

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
    except PermissionError as error:
        raise BadInput(name, "may not be read by you", "Change its rights: `chmod +r`.") from error
    except Exception as error:
        if type(error).__module__.startswith("zstd"):  # not loaded unless it is needed
            raise damaged(name) from error
        raise


def _refuse_cut_off(path: Path) -> None:
    """A zstd file may be many frames; the last one must come to its end."""
    import zstandard

    unpacker, whole = zstandard.ZstdDecompressor(), True
    with path.open("rb") as raw:
        frame = unpacker.decompressobj()
        while packed := raw.read(_CHUNK):
            while packed:
                frame.decompress(packed)
                whole, packed = frame.eof, frame.unused_data if frame.eof else b""
                if whole:
                    frame = unpacker.decompressobj()
    if not whole:
        raise EOFError


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
            raise _nothing_at(name)
        found += (File("-" if name == "-" else str(path), path) for path in matches)
    return list(dict.fromkeys(found))


def _expand(name: str) -> Iterator[Path]:
    # Path.glob takes no absolute pattern.
    pattern = has_magic(name) and not Path(name).exists()
    names = glob(name, recursive=True) if pattern else [name]  # noqa: PTH207
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


def _nothing_at(name: str) -> BadInput:
    path = Path(name)
    if path.is_dir() and not os.access(path, os.R_OK | os.X_OK):
        return BadInput(
            name, "this folder may not be read by you", "Change its rights: `chmod +rx`."
        )
    if path.is_dir():
        return BadInput(name, "there is no file in this folder", "Hidden files do not count.")
    if path.exists():
        return BadInput(
            name, "is neither a file nor a folder", f"Pipe it in: `farthing import - < {name}`."
        )
    return BadInput(name, "no such file", "Check the path; quote globs for your shell.")


def _standard_input(spool: Path) -> Path:
    if sys.stdin is None:
        raise BadInput("-", "standard input is closed", "Pipe a file in, or name one.")
    target = spool / "stdin"
    if target.exists():  # `- -` names the same bytes twice
        return target
    with target.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return target
