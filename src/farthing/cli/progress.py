"""Show how far an import is: rows, rows a second, time left; silent where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Told with the file's name, its rows (estimated) and the share that is done.
Progress = Callable[[str, int, float], None]


@contextmanager
def nothing() -> Iterator[Progress]:
    yield lambda _name, _rows, _share: None


@contextmanager
def bar() -> Iterator[Progress]:
    """A bar on standard error, where that is a terminal."""
    if not sys.stderr.isatty():
        with nothing() as silent:
            yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, TaskID] = {}
        began: dict[str, float] = {}

        def tell(name: str, rows: int, share: float) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=1.0, rate="")
                began[name] = time.monotonic()
            seconds = time.monotonic() - began[name]
            rate = f"{rows * share / seconds:,.0f} rows/s" if seconds > 0 and rows else ""
            bars.update(tasks[name], completed=share, rate=rate)
            if share >= 1:
                bars.remove_task(tasks.pop(name))

        yield tell
