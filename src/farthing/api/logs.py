"""Log lines as JSON objects on standard error, one each."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec

# What every record has; anything else in it was given by `extra`.
_USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_NOT_SAID = {"color_message"}  # uvicorn's second wording


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        given = {k: v for k, v in vars(record).items() if k not in _USUAL | _NOT_SAID}
        line |= {name: value for name, value in given.items() if name not in line}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def to_stderr(level: int = logging.INFO) -> None:
    """For a process of its own: replaces whatever logging was set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What a server says of its own start would stand before the first line that somebody needs.
    logging.getLogger("uvicorn").setLevel(max(level, logging.WARNING))
