"""Tell somebody how far a running query is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb

EVERY_SECONDS = 0.25


@contextmanager
def watching(
    connection: duckdb.DuckDBPyConnection, tell: Callable[[float], None]
) -> Iterator[None]:
    """While the body runs queries on `connection`, call `tell` with the share done, 0 to 1.

    From a thread of its own; a query that cannot say how far it is tells nothing.
    """
    connection.execute(
        "SET enable_progress_bar = true; SET enable_progress_bar_print = false;"
        "SET progress_bar_time = 0"
    )
    done = threading.Event()

    def look() -> None:
        while not done.wait(EVERY_SECONDS):
            share = connection.query_progress() / 100
            if 0 <= share <= 1:
                tell(share)

    thread = threading.Thread(target=look, name="farthing-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
