"""One call on a connection, and its answer: uvicorn's, with one write where it takes two.

An answer's head leaves together with the first of its body, and its headers are looked through
once for all. A call costs a system call less for it, and every stream a segment.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_BODILESS = frozenset({204, 304})
_CLOSE = (b"connection", b"close")


class Cycle(RequestResponseCycle):
    _head = b""  # of the answer, until something of its body comes
    _handed_out = False  # the request's body, which came whole

    async def receive(self) -> Any:
        if self.more_body or self._handed_out or self.disconnected or self.waiting_for_100_continue:
            return await super().receive()
        self._handed_out = True
        self.message_event.clear()
        return {"type": "http.request", "body": bytes(self.body), "more_body": False}

    async def send(self, message: Any) -> None:
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
            return
        if self.response_complete:
            raise RuntimeError("The answer was complete already.")
        body, more = message.get("body", b""), message.get("more_body", False)
        if more and body and self.chunked_encoding and not self._head:  # the middle of a stream
            self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        else:
            self._go_on(body, more=more)

    def _begin(self, message: Any) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        status, headers = message["status"], [*self.default_headers, *message.get("headers", ())]
        lines = [STATUS_LINE[status], *[b"%b: %b\r\n" % each for each in headers]]
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length, self.chunked_encoding = int(value), False
                break
        else:
            if self._may_be_chunked(status):
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"\r\n")
        self._head = head = b"".join(lines)
        if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
            raise RuntimeError("A header of the answer holds a line break.")

    def _may_be_chunked(self, status: int) -> bool:
        """HTTP/1.0 has no chunks: such an answer ends with its connection (RFC 9112 §6.1)."""
        scope = self.scope
        return (
            status not in _BODILESS and scope["method"] != "HEAD" and scope["http_version"] != "1.0"
        )

    def _go_on(self, body: bytes, *, more: bool) -> None:
        head, self._head = self._head, b""
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            body = b""
        elif self.chunked_encoding:
            body = _chunk(body, more=more)
        elif self.chunked_encoding is not None:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0 or (not more and self.expected_content_length):
                raise RuntimeError("The answer is not as long as its content-length says.")
        self.transport.write(head + body)
        if not more:
            self.response_complete = True
            self.message_event.set()
            if not self.keep_alive:
                self.transport.close()
            self.on_response()


def _chunk(body: bytes, *, more: bool) -> bytes:
    if not body:
        return b"" if more else b"0\r\n\r\n"
    return b"%x\r\n%b%b" % (len(body), body, b"\r\n" if more else b"\r\n0\r\n\r\n")
