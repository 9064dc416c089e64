"""The farthing.toml of a demo workspace: accounts, and which team owns which project."""

from __future__ import annotations

from collections.abc import Iterator

from farthing.demo.company import ACCOUNTS, PROJECTS

_HEAD = """\
# A demo workspace, built by `farthing demo`: the company in it and its figures are invented.
# Keep your own data in another workspace: `farthing --workspace DIR …`.

timezone = "UTC"
"""


def text() -> str:
    """Valid for `farthing.config.Settings`."""
    return "\n".join([_HEAD, *_accounts(), *_owners()])


def _accounts() -> Iterator[str]:
    for provider, account in ACCOUNTS.items():
        yield f'[providers.{provider}]\naccount = "{account}"\n'


def _owners() -> Iterator[str]:
    """Providers' bills name projects; teams are ours to know."""
    for project, team in PROJECTS.items():
        yield f'[[allocate]]\nmatch = "project={project}"\nteam = "{team}"\n'
