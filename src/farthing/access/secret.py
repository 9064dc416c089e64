"""A secret that the settings only refer to: `env:NAME` or `file:PATH`, read again on change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from farthing.config import REFERENCE
from farthing.domain.errors import Refused

_LONGEST = 64 * 1024


class Secret:
    """What a reference stands for. Printing one shows the reference and never the value."""

    def __init__(self, reference: str, folder: Path, environment: Mapping[str, str]) -> None:
        """`folder` is what a relative path starts from: that of farthing.toml.

        Raises Refused, naming the reference, where there is nothing behind it.
        """
        if not REFERENCE.fullmatch(reference):
            raise Refused("A secret has to be a reference, env:NAME or file:PATH.")
        self.reference = reference
        kind, _, name = reference.partition(":")
        self._file = folder / Path(name).expanduser() if kind == "file" else None
        self._seen: tuple[int, int] | None = None
        self.value = self._of_file(self._file) if self._file else self._of(environment.get(name))

    def refresh(self) -> bool:
        """Read a file again if it has changed. What cannot be read now keeps its last value.

        A rotation may be half-way when we look; the next look sees it whole.
        """
        if self._file is None:
            return False
        before = self.value
        try:
            if _stamp(self._file) != self._seen:
                self.value = self._of_file(self._file)
        except (OSError, Refused):
            return False
        return self.value != before

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def _of_file(self, file: Path) -> str:
        try:
            self._seen = _stamp(file)
            with file.open("rb") as stream:
                read = stream.read(_LONGEST + 1)
            return self._of(read.decode("utf-8")[: _LONGEST + 1])
        except OSError as error:
            raise self._refused(f"{error.strerror}. Check the path and your rights") from error
        except UnicodeDecodeError as error:
            raise self._refused("it is not text. Write the secret alone into it") from error

    def _of(self, said: str | None) -> str:
        if said is None:
            name = self.reference.partition(":")[2]
            raise self._refused(f"it is not set. Set it (export {name}=…) and start again")
        value = said.strip()
        # A line break would smuggle a header of its own into every call.
        if not value or len(value) > _LONGEST or not (value.isascii() and value.isprintable()):
            raise self._refused("it is empty, or no single line of ASCII. Write the secret alone")
        return value

    def _refused(self, what: str) -> Refused:
        return Refused(f"The secret {self.reference}: {what}.")


class Secrets:
    """All that one farthing.toml refers to."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._known: dict[str, Secret] = {}

    def of(self, said: str | None) -> Callable[[], str]:
        """What is behind a reference, as it is at each call; other text is itself."""
        if said is None or not REFERENCE.fullmatch(said):
            return lambda: said or ""
        if said not in self._known:
            self._known[said] = Secret(said, self._folder, self._environment)
        found = self._known[said]
        return lambda: found.value

    def refresh(self) -> list[str]:
        """Look at every file again. Answers the references whose value changed."""
        return [reference for reference, found in self._known.items() if found.refresh()]


def _stamp(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_mtime_ns, found.st_ino
