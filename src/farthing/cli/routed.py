"""Warn of a policy's routes and stand-ins that no configured provider serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from farthing.config import Settings


def warnings(text: str, settings: Settings) -> list[str]:
    """What is unserved in a policy; nothing where the providers themselves cannot be read."""
    from farthing.domain.errors import FarthingError
    from farthing.gateway.unserved import unserved
    from farthing.gateway.upstreams import upstreams_of
    from farthing.policy.policy import parse

    policy = parse(text)
    if not policy.routes and not policy.fallbacks:
        return []
    if not any(each.kind for each in settings.providers.values()):
        import msgspec

        from farthing.app import SIMULATED

        settings = msgspec.structs.replace(settings, providers=SIMULATED)
    try:
        upstreams = upstreams_of(settings, lambda _: lambda: "", lambda _scheme, _host: None)
    except FarthingError:  # `farthing doctor` says what is wrong with them
        return []
    return unserved(policy, upstreams)


def tell(found: list[str]) -> None:
    for each in found:
        typer.echo(f"farthing: warning: {each}", err=True)
