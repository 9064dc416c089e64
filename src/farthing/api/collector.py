"""Hand spans to an OpenTelemetry collector: OTLP over HTTP, protobuf, gzip."""

from __future__ import annotations

import gzip
import http.client
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # ships no types
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from farthing.access.secret import Secrets
from farthing.config import Telemetry
from farthing.domain.errors import Refused, Unavailable
from farthing.providers.transport.proxies import proxy_of

PATH = "/v1/traces"
_MOST_ANSWER = 64 << 10
_LEVEL = 1  # attributes repeat so much that more effort saves little
# The document itself is wrong: it would be refused again, and others may not be.
_HOPELESS = frozenset({400, 413, 422})


class Unwanted(Refused):
    """The collector will never take this document."""


class Collector:
    """One endpoint. Headers are asked for at each request: a secret in a file may change."""

    def __init__(
        self,
        settings: Telemetry,
        secrets: Secrets,
        folder: Path,
    ) -> None:
        """Raises Refused where a secret or the CA file is not there."""
        self.url = endpoint(settings.otlp or "")
        self._timeout = float(settings.timeout_seconds)
        self._secrets = secrets
        self._headers = {name: secrets.of(value) for name, value in settings.headers.items()}
        self._opener = urllib.request.build_opener(*_handlers(self.url, settings.ca_file, folder))

    def send(self, request: ExportTraceServiceRequest) -> int:
        """How many spans the collector rejected. Raises Unwanted, or Unavailable: try again."""
        body = gzip.compress(request.SerializeToString(), _LEVEL, mtime=0)
        self._secrets.refresh()
        headers = {
            **{name: value() for name, value in self._headers.items()},
            "content-type": "application/x-protobuf",
            "content-encoding": "gzip",
            "user-agent": "farthing",
        }
        asked = urllib.request.Request(self.url, body, headers, method="POST")
        try:
            with self._opener.open(asked, timeout=self._timeout) as answer:
                return _rejected(answer.read(_MOST_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error.code, self.host) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            text = f"The collector at {self.host} cannot be reached: {_why(error)}."
            raise Unavailable(text) from error

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


def endpoint(otlp: str) -> str:
    """Where traces go: the address as it is where it names the path, else with `/v1/traces`."""
    plain = otlp.rstrip("/")
    return plain if plain.endswith(PATH) else plain + PATH


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry our token to somewhere that nobody configured."""

    def redirect_request(self, *_: object) -> None:
        return None


def _handlers(url: str, ca_file: str | None, folder: Path) -> list[urllib.request.BaseHandler]:
    parts = urlsplit(url)
    proxy = proxy_of(parts.scheme, parts.hostname or "")
    proxies: Mapping[str, str] = {parts.scheme: proxy} if proxy else {}
    handlers = [_NoRedirect(), urllib.request.ProxyHandler(dict(proxies))]
    if parts.scheme == "https":
        context = ssl.create_default_context()
        if ca_file is not None:
            try:
                context.load_verify_locations(folder / Path(ca_file).expanduser())
            except OSError as error:
                raise Refused(f"[telemetry] ca_file {ca_file} cannot be read: {error}.") from error
        handlers.append(urllib.request.HTTPSHandler(context=context))
    return handlers


def _rejected(body: bytes) -> int:
    try:
        told = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:  # taken all the same, said by something that is no collector
        return 0
    return int(told.rejected_spans)


def _refusal(status: int, host: str) -> Exception:
    text = f"The collector at {host} answered {status}."
    if status in _HOPELESS:
        return Unwanted(text)
    if status in {401, 403}:
        return Unavailable(f"{text} Check the headers in [telemetry].")
    if status == http.client.NOT_FOUND:
        return Unavailable(f"{text} Check the address in [telemetry] otlp.")
    return Unavailable(text)


def _why(error: Exception) -> str:
    reason = getattr(error, "reason", None) or error
    return str(getattr(reason, "strerror", None) or reason) or type(error).__name__
