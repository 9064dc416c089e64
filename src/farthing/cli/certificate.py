"""Whether a server's certificate and its key can be read, and belong together."""

from __future__ import annotations

import ssl

from farthing.config import Gateway, Office
from farthing.domain.errors import Refused


def check_certificate(table: str, server: Gateway | Office) -> None:
    """Raises Refused. A key behind a password is refused, too: nobody is there to type it."""
    if server.tls_cert is None:
        return
    pair = f"[{table}] tls_cert {server.tls_cert} and tls_key {server.tls_key}"
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.tls_cert, server.tls_key, password=lambda: b"")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or getattr(error, "reason", None) or str(error)
        raise Refused(
            f"{pair} cannot be used: {why}. Give PEM files that this user may read, "
            "a certificate and its own key without a password."
        ) from error
