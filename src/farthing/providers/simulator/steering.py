"""What a caller wants to be done to it: the `x-sim-…` headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from farthing.providers.simulator.script import Declined


class Wish(msgspec.Struct, frozen=True, gc=False):
    """None: not asked for. Times in seconds."""

    latency: float | None = None
    pace: float | None = None
    error: int | Literal["reset", "hang"] | None = None
    hangup_after: int | None = None
    stall_after: int | None = None
    output_tokens: int | None = None
    flex_full: bool = False


NOTHING = Wish()
_LONGEST_MS = 3_600_000
_FAILURES = range(400, 600)
_MOST_DIGITS = 9
_NAMES = (
    b"x-sim-latency-ms",
    b"x-sim-chunk-ms",
    b"x-sim-error",
    b"x-sim-hangup-after",
    b"x-sim-stall-after",
    b"x-sim-output-tokens",
    b"x-sim-flex",
)


def wish(headers: Mapping[bytes, bytes]) -> Wish:
    """Read the headers. Raises Declined where one says what cannot be done."""
    if headers.keys().isdisjoint(_NAMES):
        return NOTHING
    latency, pace, error, hangup, stall, output, flex = map(headers.get, _NAMES)
    return Wish(
        latency=_seconds("x-sim-latency-ms", latency),
        pace=_seconds("x-sim-chunk-ms", pace),
        error=_error(error),
        hangup_after=_count("x-sim-hangup-after", hangup),
        stall_after=_count("x-sim-stall-after", stall),
        output_tokens=_count("x-sim-output-tokens", output),
        flex_full=_is_full(flex),
    )


def _seconds(name: str, value: bytes | None) -> float | None:
    if value is None:
        return None
    try:
        milliseconds = float(value)
    except ValueError:
        milliseconds = -1.0
    if not 0 <= milliseconds <= _LONGEST_MS:  # NaN is not either
        raise _wrong(name, value, f"milliseconds from 0 to {_LONGEST_MS}")
    return milliseconds / 1000


def _error(value: bytes | None) -> int | Literal["reset", "hang"] | None:
    if value is None:
        return None
    if value == b"reset":
        return "reset"
    if value == b"hang":
        return "hang"
    status = _whole(value)
    if status is None or status not in _FAILURES:
        raise _wrong("x-sim-error", value, "a status from 400 to 599, `reset` or `hang`")
    return status


def _is_full(value: bytes | None) -> bool:
    if value not in {None, b"full"}:
        raise _wrong("x-sim-flex", value or b"", "`full`")
    return value is not None


def _count(name: str, value: bytes | None) -> int | None:
    if value is None:
        return None
    count = _whole(value)
    if count is None:
        raise _wrong(name, value, "a whole number")
    return count


def _whole(value: bytes) -> int | None:
    return int(value) if value.isdigit() and len(value) <= _MOST_DIGITS else None


def _wrong(name: str, value: bytes, wanted: str) -> Declined:
    told = value[:40].decode("latin-1")
    return Declined(400, "invalid_value", f"{name}: {told!r} is not {wanted}.", name)
