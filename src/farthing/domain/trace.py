"""Which trace a call belongs to: W3C Trace Context, and the ids of our own spans."""

from __future__ import annotations

import re
from typing import Final

LONGEST_STATE: Final = 512  # bytes of a tracestate that are carried (W3C Trace Context §3.3.1.5)
SAMPLED: Final = 1

_TRACEPARENT: Final = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-((?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(?:-.*)?"
)
_64_BITS: Final = (1 << 64) - 1


def parent_of(traceparent: bytes) -> tuple[str, str] | None:
    """The trace's id, and the caller's span with its flags, `00f067aa0ba902b7-01`.

    None where the header is not one (W3C Trace Context §3.2.2).
    """
    found = _TRACEPARENT.fullmatch(traceparent.strip())
    return (found[1].decode(), found[2].decode()) if found else None


def state_of(tracestate: bytes | None) -> str | None:
    """A tracestate as text; None where there is none, or none that may be passed on."""
    said = tracestate.strip() if tracestate else b""
    usable = 0 < len(said) <= LONGEST_STATE and said.isascii()
    return said.decode() if usable and said.decode().isprintable() else None


def span_id(call_id: str, attempt: int) -> str:
    """The span of an attempt, or with 0 of its whole call: the same however often it is told.

    A call's id ends in 62 random bits, which is what a span's id has to be.
    """
    return f"{(int(call_id[16:], 16) + attempt) & _64_BITS:016x}"


def is_sampled(parent_span: str | None) -> bool:
    """Whether the caller records its part of the trace; a call without a trace has its own."""
    return parent_span is None or bool(int(parent_span[-2:], 16) & SAMPLED)


def traceparent(trace_id: str | None, parent_span: str | None, call_id: str, attempt: int) -> bytes:
    """What an upstream is told: the same trace, with our attempt as the parent."""
    flags = parent_span[-2:] if parent_span else "01"
    return f"00-{trace_id or call_id}-{span_id(call_id, attempt)}-{flags}".encode()
