"""Through aiohttp: the way for origins behind a proxy or with authorities of their own."""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import Sequence
from typing import NoReturn

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from farthing.providers.transport.hops import end_to_end, is_token
from farthing.providers.transport.request_head import Heads, Unspeakable
from farthing.providers.transport.wire import (
    Answer,
    Headers,
    Lost,
    NotSent,
    Origin,
    Request,
    TimedOut,
    Timeouts,
)

LARGEST_HEAD = 64 << 10
SLICED_FROM = 256 << 10  # a body past this is handed to aiohttp in parts
FIRST_FINAL = 200


class AiohttpTransport:
    """A Transport. Belongs to the event loop of its first call."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None
        self._trusted: dict[str, ssl.SSLContext] = {}

    async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> Answer:
        heads = Heads(origin)
        heads.write(request)  # refuses what aiohttp might not
        headers = _as_text(heads.checked(request))
        body = request.body
        try:
            # aiohttp watches reads only, and only once the body is out; this bounds the rest.
            async with asyncio.timeout(timeouts.connect + timeouts.first):
                answer = await self._opened().request(
                    request.method.decode(),
                    _url(origin, heads.host, request),
                    headers=headers,
                    data=(io.BytesIO(body) if len(body) > SLICED_FROM else body) or None,
                    allow_redirects=False,
                    proxy=origin.proxy,
                    ssl=self._authorities(origin),
                    timeout=_times(timeouts),
                )
        except aiohttp.InvalidURL as error:
            raise NotSent(f"{origin.host} is no address; correct base_url.") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _raise(error, origin)
        if not _sound(answer):
            answer.close()
            raise Lost(f"{origin.host} sent an answer that readers take for different ones.")
        return _Answer(answer, origin, timeouts)

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=_Connector(limit=0, enable_cleanup_closed=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
                max_line_size=LARGEST_HEAD,
                max_field_size=LARGEST_HEAD,
                max_headers=1000,
            )
        return self._session

    def _authorities(self, origin: Origin) -> ssl.SSLContext | bool:
        if origin.ca_file is None or origin.scheme != "https":
            return True
        if origin.ca_file not in self._trusted:
            try:
                context = ssl.create_default_context()
                context.load_verify_locations(origin.ca_file)
            except OSError as error:
                what = f"The authorities in {origin.ca_file} cannot be read: {error}."
                raise NotSent(what) from error
            self._trusted[origin.ca_file] = context
        return self._trusted[origin.ca_file]


class _Answer:
    def __init__(self, answer: aiohttp.ClientResponse, origin: Origin, timeouts: Timeouts) -> None:
        self.status = answer.status
        self.headers: Sequence[tuple[bytes, bytes]] = end_to_end(answer.raw_headers)
        self._answer, self._origin = answer, origin
        self._content = answer.content
        self.ended = self._content.at_eof()
        _wait_between(answer, timeouts.between)

    async def chunk(self) -> bytes:
        content = self._content
        try:
            part = b""
            while not part and not content.at_eof():
                part = await content.readany()
        except asyncio.CancelledError:
            self._answer.close()
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._answer.close()
            _raise(error, self._origin)
        self.ended = content.at_eof()
        return part

    def close(self) -> None:
        self._answer.close()


class _Connector(aiohttp.TCPConnector):
    """What fails in here failed before a byte of the request left; aiohttp's errors do not tell."""

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        try:
            return await super().connect(req, traces, timeout)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NotSent(f"{req.url.host} cannot be reached: {_said(error)}.") from error


def _as_text(headers: Headers) -> list[tuple[str, str]]:
    """Text, which is what aiohttp takes; it writes it as UTF-8."""
    try:
        return [(name.decode(), value.decode()) for name, value in headers]
    except UnicodeDecodeError as error:
        raise Unspeakable("A header is not UTF-8; leave it out or encode it.") from error


def _url(origin: Origin, host: bytes, request: Request) -> URL:
    where = f"{origin.scheme}://{host.decode()}"
    return URL(where + request.target.decode("latin-1"), encoded=True)


def _times(timeouts: Timeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=None,
        connect=timeouts.connect,
        sock_connect=timeouts.connect,
        sock_read=timeouts.first,
    )


def _wait_between(answer: aiohttp.ClientResponse, seconds: float) -> None:
    """From the head on another patience holds."""
    connection = answer.connection
    if connection is not None and connection.protocol is not None:
        connection.protocol.read_timeout = seconds
        connection.protocol.start_timeout()


def _raise(error: Exception, origin: Origin) -> NoReturn:
    if isinstance(error, TimeoutError):
        raise TimedOut(f"{origin.host} did not answer in time.") from error
    raise Lost(f"The answer of {origin.host} did not come whole: {_said(error)}.") from error


def _sound(answer: aiohttp.ClientResponse) -> bool:
    """Whether it is what it seems; aiohttp itself is lenient with providers."""
    codings = [value for name, value in answer.raw_headers if name.lower() == b"transfer-encoding"]
    return (
        answer.status >= FIRST_FINAL
        and [value.strip().lower() for value in codings] in ([], [b"chunked"])
        and all(is_token(name.lower()) for name, _ in answer.raw_headers)
    )


def _said(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientResponseError):  # in full it shows the URL, and keys in it
        return f"{error.status} {error.message}"
    return str(error).rstrip(".") or type(error).__name__
