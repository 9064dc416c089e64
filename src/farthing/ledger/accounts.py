"""Book rows that name no account under their provider's own: `[providers.NAME] account`."""

from __future__ import annotations

from collections.abc import Mapping

from farthing.config import Upstream
from farthing.ledger import sql
from farthing.prices.names import ALIASES, provider_of

# What the source said stays beside it: a row's identity hangs on that, not on a setting.
_SAID = "said_account"


def booked(query: str, providers: Mapping[str, Upstream]) -> str:
    """SQL: the rows of `query`, with an account where their provider has one configured."""
    named = [(name, told.account) for name, told in providers.items() if told.account]
    if not named:
        return query
    own = [f"WHEN provider = {sql.text(name)} THEN {sql.text(account)}" for name, account in named]
    # The name itself first: `openai-eu` may be another account with openai.
    spelled = "replace(replace(lower(trim(provider)), '-', '_'), ' ', '_')"
    like = [f"WHEN {spelled} IN ({_spellings(name)}) THEN {sql.text(a)}" for name, a in named]
    account = f"CASE {' '.join([*own, *like])} END"
    return f"""
        SELECT * REPLACE (coalesce(account, {account}) AS account), account AS {_SAID}
        FROM ({query})"""


def keeps(providers: Mapping[str, Upstream]) -> frozenset[str]:
    """The columns that `booked` adds."""
    return frozenset({_SAID} if any(told.account for told in providers.values()) else ())


def _spellings(name: str) -> str:
    ours = provider_of(name)
    every = {ours, *(spelling for spelling, whose in ALIASES.items() if whose == ours)}
    return ", ".join(sql.text(spelling) for spelling in sorted(every))
