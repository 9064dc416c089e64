"""Read a request's body within bounds: of size, packed and unpacked, and of time."""

from __future__ import annotations

import asyncio
import zlib

from starlette.requests import ClientDisconnect, Request

from farthing.domain.errors import Refused

BODY_SECONDS = 60.0
_GZIP = 16 + zlib.MAX_WBITS


class BodyTooLarge(Refused):
    code, status = "body_too_large", 413


class UnsupportedEncoding(Refused):
    code, status = "unsupported_encoding", 415


class BodyCutOff(Refused):
    code = "bad_request"


class BodyTooSlow(Refused):
    code, status = "request_timeout", 408


async def body_of(request: Request, most: int) -> bytes:
    """The bytes, at most so many. Still packed where `content-encoding` says so."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise _too_large(most)
                parts.append(part)
    except TimeoutError as error:
        raise BodyTooSlow(f"The body did not come within {BODY_SECONDS:g} seconds.") from error
    except ClientDisconnect as error:
        raise BodyCutOff("The body broke off.") from error
    return b"".join(parts)


def unpacked(body: bytes, encoding: str | None, most: int) -> bytes:
    """What a body is once it is decompressed. No more than `most` bytes are ever made of it."""
    named = (encoding or "identity").strip().lower()
    if named == "identity":
        return body
    if named not in {"gzip", "x-gzip"}:
        raise UnsupportedEncoding("The content-encoding can only be gzip, or none.")
    unpacking = zlib.decompressobj(_GZIP)
    try:
        found = unpacking.decompress(body, most + 1)
    except zlib.error as error:
        raise BodyCutOff("The body is not gzip, though its content-encoding says so.") from error
    if len(found) > most:
        raise _too_large(most)
    if not unpacking.eof or unpacking.unused_data:
        raise BodyCutOff("The gzip of the body is cut off, or something follows it.")
    return found


def _too_large(most: int) -> BodyTooLarge:
    return BodyTooLarge(f"A body may have {most >> 20} MiB, unpacked, too. Send smaller batches.")
