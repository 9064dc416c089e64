"""Bytes sent to a gateway as they are, and what came back."""

from __future__ import annotations

import json
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.gateways import Up

CHAT = b'{"model":"sim-small","messages":[{"role":"user","content":"Hi"}],"max_tokens":5}'


@dataclass
class Said:
    """What a gateway said on one connection. `closed`: it hung up by itself."""

    raw: bytes
    closed: bool

    @property
    def status(self) -> int:
        """Of the first answer; 0 where there was none."""
        return int(self.raw.split(b" ", 2)[1]) if self.raw.startswith(b"HTTP/1.1 ") else 0

    @property
    def answers(self) -> int:
        return len(re.findall(rb"HTTP/1\.1 [2-5]\d\d ", self.raw))

    @property
    def error(self) -> dict[str, Any]:
        """The error of the last answer."""
        body = self.raw.rpartition(b"\r\n\r\n")[2]
        return dict(json.loads(body)["error"])


def request(
    key: str | None,
    body: bytes = CHAT,
    *,
    line: bytes = b"POST /v1/chat/completions HTTP/1.1",
    fields: bytes = b"",
    length: bool = True,
) -> bytes:
    head = line + b"\r\nhost: x\r\n"
    if key:
        head += b"authorization: Bearer " + key.encode() + b"\r\n"
    if length:
        head += b"content-length: %d\r\n" % len(body)
    return head + fields + b"\r\n" + body


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    whole = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return whole + b"0\r\n" + trailers + b"\r\n"


def connect(gateway: Up, door: str = "gateway") -> socket.socket:
    where = urlsplit(getattr(gateway, door))
    return socket.create_connection((where.hostname, where.port), timeout=30)


def send(gateway: Up, sent: bytes, seconds: float = 30.0, answers: int = 1) -> Said:
    """Send it; read until the gateway hangs up, has given so many answers, or the time is over."""
    with connect(gateway) as raw:
        try:
            raw.sendall(sent)
        except OSError:
            return Said(b"", closed=True)
        return read(raw, seconds, answers)


def read(raw: socket.socket, seconds: float, answers: int = 0) -> Said:
    got, until, closed = bytearray(), time.monotonic() + seconds, False
    while not closed and (left := until - time.monotonic()) > 0:
        raw.settimeout(left)
        try:
            part = raw.recv(1 << 20)
        except TimeoutError:
            break
        except OSError:
            part = b""
        closed = not part
        got += part
        if answers and _whole(bytes(got)) >= answers:
            break
    return Said(bytes(got), closed)


def _whole(got: bytes) -> int:
    """How many whole answers these bytes are, as far as they tell their length."""
    found = 0
    while b"\r\n\r\n" in got:
        head, _, got = got.partition(b"\r\n\r\n")
        if b" 100 " in head[:16]:
            continue
        length = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length")),
            0,
        )
        if len(got) < length:
            break
        got = got[length:]
        found += 1
    return found


def resident_mb(pid: int) -> float:
    """How much memory a process has, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
