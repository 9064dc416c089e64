"""Which proxy the environment wants a request to go through."""

from __future__ import annotations

import os
import urllib.request


def proxy_of(scheme: str, host: str) -> str | None:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; never a proxy for this machine itself."""
    if host in {"localhost", "::1"} or host.startswith("127.") or not os.environ:
        return None
    proxies = urllib.request.getproxies_environment()
    if urllib.request.proxy_bypass(host):
        return None
    return proxies.get(scheme)
