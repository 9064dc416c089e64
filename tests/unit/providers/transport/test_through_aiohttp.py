"""Proxies and authorities of one's own: what goes through aiohttp, and how both fail."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path

import pytest
import trustme

from farthing.providers.transport.choose import Transports
from farthing.providers.transport.http1 import PooledTransport
from farthing.providers.transport.request_head import Unspeakable
from farthing.providers.transport.through_aiohttp import AiohttpTransport
from farthing.providers.transport.wire import (
    Lost,
    NotSent,
    Origin,
    Request,
    TimedOut,
    Timeouts,
    Transport,
)
from farthing.testing.servers import (
    OK,
    SOON,
    Provider,
    Visit,
    ask,
    asking,
    closing,
    provider,
    rest,
    saying,
)

BOTH = pytest.mark.parametrize("kind", [PooledTransport, AiohttpTransport])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def served(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "::1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def _chosen() -> Transports:
    return Transports(PooledTransport(), AiohttpTransport, PooledTransport)


async def test_our_client_speaks_tls(authority: trustme.CA, served: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    async with (
        provider(saying(big), context=served) as it,
        closing(PooledTransport(ssl_context=trusting)) as transport,
    ):
        for _ in range(3):
            assert len(await ask(transport, it, asking(body=bytes(1_000_000)))) == 3_000_000
        assert it.connections == 1


async def test_an_authority_of_ones_own_is_trusted(served: ssl.SSLContext, ca_file: str) -> None:
    async with provider(saying(OK), context=served) as it, closing(_chosen()) as transport:
        it.origin = Origin("https", "127.0.0.1", it.origin.port, ca_file=ca_file)
        for _ in range(3):
            assert await ask(transport, it) == b"ok"
        assert it.connections == 1


async def test_the_usual_authorities_stay_trusted_beside_it(
    served: ssl.SSLContext, ca_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    trustme.CA().cert_pem.write_to_path(another := tmp_path / "another.pem")
    async with provider(saying(OK), context=served) as it, closing(_chosen()) as transport:
        it.origin = Origin("https", "127.0.0.1", it.origin.port, ca_file=str(another))
        assert await ask(transport, it) == b"ok"


@BOTH
async def test_a_certificate_that_nobody_vouches_for_gets_no_request(
    kind: type[Transport], served: ssl.SSLContext
) -> None:
    async with provider(saying(OK), context=served) as it, closing(kind()) as transport:
        with pytest.raises(NotSent, match="certificate"):
            await ask(transport, it)
        assert it.requests == []


@BOTH
async def test_a_certificate_for_another_host_gets_no_request(
    kind: type[Transport], authority: trustme.CA, ca_file: str
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("elsewhere.example").configure_cert(context)
    trusting = ssl.create_default_context(cafile=ca_file)
    ours = kind is PooledTransport
    transport: Transport = PooledTransport(ssl_context=trusting) if ours else AiohttpTransport()
    async with provider(saying(OK), context=context) as it, closing(transport):
        it.origin = Origin("https", "127.0.0.1", it.origin.port, ca_file=ca_file)
        with pytest.raises(NotSent):
            await ask(transport, it)
        assert it.requests == []


@BOTH
async def test_a_server_without_tls_gets_no_request(kind: type[Transport]) -> None:
    async with provider(saying(OK)) as it, closing(kind()) as transport:
        it.origin = Origin("https", "127.0.0.1", it.origin.port)
        with pytest.raises(NotSent):
            await ask(transport, it, timeouts=Timeouts(connect=0.3))
        assert it.requests == []


async def test_authorities_that_cannot_be_read_are_said() -> None:
    async with closing(AiohttpTransport()) as transport:
        with pytest.raises(NotSent, match="no/ca"):
            await transport.send(Origin("https", "h", 1, ca_file="no/ca.pem"), asking(), SOON)


@BOTH
async def test_ipv6_is_spoken(kind: type[Transport]) -> None:
    async with provider(saying(OK), host="::1") as it, closing(kind()) as transport:
        assert await ask(transport, it) == b"ok"
        assert f"host: [::1]:{it.origin.port}\r\n".encode() in it.requests[0].lower()


@BOTH
async def test_a_port_that_nobody_listens_on_is_not_sent(kind: type[Transport]) -> None:
    async with provider(saying(OK)) as it:
        pass
    async with closing(kind()) as transport:
        with pytest.raises(NotSent):
            await ask(transport, it)


# Through aiohttp


async def test_what_is_written_is_what_was_meant() -> None:
    async with provider(saying(OK)) as it, closing(AiohttpTransport()) as transport:
        headers = [(b"x-a", b"1"), (b"x-a", "é".encode()), (b"host", b"evil"), (b"te", b"x")]
        await ask(transport, it, Request(b"POST", b"/a/../b%2F?c=%20&d", headers, b"{}"))
        await ask(transport, it, Request(b"POST", b"/", [], bytes(2_000_000)))
        host = f"127.0.0.1:{it.origin.port}".encode()
        assert it.requests[0] == (
            b"POST /a/../b%%2F?c=%%20&d HTTP/1.1\r\nHost: %b\r\nx-a: 1\r\nx-a: \xc3\xa9\r\n"
            b"Content-Length: 2\r\n\r\n{}" % host
        )
        assert len(it.requests[1]) > 2_000_000


async def test_a_header_that_breaks_lines_or_is_no_text_is_refused() -> None:
    async with provider(saying(OK)) as it, closing(AiohttpTransport()) as transport:
        for value in (b"1\r\nx-b: 2", b"\xe9"):
            with pytest.raises(Unspeakable):
                await ask(transport, it, Request(b"POST", b"/", [(b"x-a", value)], b""))
        assert it.connections == 0


async def test_neither_cookies_nor_redirects_nor_compression_are_ours_to_handle() -> None:
    moved = (
        b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\n"
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nraw"
    )
    async with provider(saying(moved)) as it, closing(AiohttpTransport()) as transport:
        for _ in range(2):
            answer = await transport.send(it.origin, asking(), SOON)
            assert (answer.status, await rest(answer)) == (302, b"raw")
            assert (b"content-encoding", b"gzip") in answer.headers
        assert b"cookie" not in it.requests[1].lower()
        assert b"accept-encoding" not in it.requests[1].lower()


async def test_a_post_that_met_a_closing_connection_is_never_sent_again() -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        it.requests.append((await visit.request())[0])
        await visit.say(OK)
        it.requests.append((await visit.request())[0])

    async with provider(serve) as it, closing(AiohttpTransport()) as transport:
        await ask(transport, it)
        with pytest.raises(Lost):
            await ask(transport, it)
        assert len(it.requests) == 2


@pytest.mark.parametrize("times", [Timeouts(first=0.2), Timeouts(between=0.2)])
async def test_a_provider_that_stops_times_out(times: Timeouts) -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        if times.between < 1:
            await visit.say(OK[:-1])
        await visit.reader.read()

    async with provider(serve) as it, closing(AiohttpTransport()) as transport:
        with pytest.raises(TimedOut):
            await ask(transport, it, timeouts=times)


@pytest.mark.parametrize("early", [True, False])
async def test_giving_up_closes_the_connection(early: bool) -> None:
    async def serve(it: Provider, visit: Visit) -> None:
        await visit.request()
        if not early:
            await visit.say(OK[:-1])
        await visit.reader.read()
        it.requests.append(b"gone")

    async with provider(serve) as it, closing(AiohttpTransport()) as transport:
        call = asyncio.create_task(ask(transport, it))
        await asyncio.sleep(0.1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.05)
        assert it.requests == [b"gone"]


# Through a proxy


async def _tunnel(it: Provider, visit: Visit) -> None:
    """A proxy that answers plain requests itself and ties CONNECT to where it leads."""
    head, body = await visit.request()
    it.requests.append(head + body)
    if not head.startswith(b"CONNECT"):
        return await visit.say(OK)
    host, _, port = head.split()[1].partition(b":")
    reader, writer = await asyncio.open_connection(host.decode(), int(port))
    await visit.say(b"HTTP/1.1 200 Connected\r\n\r\n")

    async def pour(source: asyncio.StreamReader, drain: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            drain.write(data)

    try:
        await asyncio.gather(pour(visit.reader, writer), pour(reader, visit.writer))
    finally:
        writer.close()
    return None


async def test_https_goes_through_a_proxy_in_a_tunnel(served: ssl.SSLContext, ca_file: str) -> None:
    async with (
        provider(saying(OK), context=served) as it,
        provider(_tunnel) as proxy,
        closing(_chosen()) as transport,
    ):
        port = it.origin.port
        through = f"http://me:secret@127.0.0.1:{proxy.origin.port}"
        it.origin = Origin("https", "127.0.0.1", port, proxy=through, ca_file=ca_file)
        for _ in range(2):
            assert await ask(transport, it) == b"ok"
        (asked,) = proxy.requests
        assert asked.startswith(f"CONNECT 127.0.0.1:{port} ".encode())
        assert base64.b64encode(b"me:secret") in asked
        assert b"secret" not in it.requests[0]
        assert base64.b64encode(b"me:secret") not in it.requests[0]


async def test_http_goes_through_a_proxy_by_its_whole_address() -> None:
    async with provider(_tunnel) as proxy, closing(_chosen()) as transport:
        through = f"http://127.0.0.1:{proxy.origin.port}"
        proxy.origin = Origin("http", "provider.example", 80, proxy=through)
        assert await ask(transport, proxy) == b"ok"
        assert proxy.requests[0].startswith(b"POST http://provider.example/v1/x HTTP/1.1\r\n")


@pytest.mark.parametrize("says", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"", b"SSH"])
async def test_a_proxy_that_refuses_means_not_sent_and_its_password_stays_ours(says: bytes) -> None:
    async with (
        provider(saying(says, then="close")) as proxy,
        closing(_chosen()) as transport,
    ):
        through = f"http://me:secret@127.0.0.1:{proxy.origin.port}"
        proxy.origin = Origin("https", "provider.example", 443, proxy=through)
        with pytest.raises(NotSent) as raised:
            await ask(transport, proxy, asking(target="/x?key=sk-1"))
        assert "secret" not in str(raised.value)
        assert "sk-1" not in str(raised.value)


async def test_only_what_needs_aiohttp_goes_through_it() -> None:
    class Noting:
        def __init__(self, name: str) -> None:
            self.name = name

        async def send(self, origin: Origin, request: Request, timeouts: Timeouts) -> None:
            went.append(self.name)

        async def close(self) -> None:
            went.append(f"{self.name} closed")

    went: list[str] = []
    transport = Transports(Noting("plain"), lambda: Noting("odd"), lambda: Noting("inside"))  # type: ignore[arg-type]
    for origin in (
        Origin("http", "h", 80),
        Origin("https", "h", 443, proxy="http://p:1"),
        Origin("https", "h", 443, ca_file="ca.pem"),
    ):
        await transport.send(origin, asking(), SOON)
    await transport.close()
    assert went == ["plain", "odd", "odd", "plain closed", "odd closed"]
