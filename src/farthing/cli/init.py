"""`farthing init`: write a farthing.toml to start from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from farthing.cli import reading
from farthing.cli.reading import Json, folder_of

# By which variables a provider's key goes; the first one that is set is referred to.
VARIABLES = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "mistral": ("MISTRAL_API_KEY",),
    "groq": ("GROQ_API_KEY",),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "together": ("TOGETHER_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
}
_HEAD = """\
# What farthing is told once. docs/configuration.md has every setting; `farthing doctor` checks
# this file. Keys, budgets, policy and rules enter at the first start and by `farthing config
# apply farthing.toml`; the rest is read at every start.

timezone = "UTC"                     # of days in reports and budgets

[gateway]
host = "127.0.0.1"                   # calls come in here; only this machine reaches it
port = 8787

[office]
port = 8788                          # the REST API, apart from the calls

# A provider is an account. Its key is a reference, env:NAME or file:PATH, never the key itself.
"""
_TAIL = """
# [keys.search]                      # a virtual key, printed once when it enters
# team = "search"
# hard_budget = "20/month"           # refuses what would exceed it

# [budgets.everything]
# limit = "500/month"
# soft = true                        # tells, and refuses nothing

# [policy.cache]                     # docs/policy.md
# mode = "shadow"                    # counts what it would save, and serves nothing

# [[allocate]]                       # an owner for what names none
# match = "model~*embed*"
# project = "search-index"
"""


def init(
    context: typer.Context,
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over the file there is.")] = False,
    as_json: Json = False,
) -> None:
    """Write a commented farthing.toml into this folder, with the providers whose keys are set.

    Looks at the names of variables such as OPENAI_API_KEY; their values stay where they are.
    """
    from farthing.config import FILE
    from farthing.domain.errors import Refused
    from farthing.ledger.durable import replace_text

    file, first = Path.cwd() / FILE, folder_of(context) / FILE
    if first.is_file() and not (file.exists() and first.samefile(file)):
        raise Refused(
            f"This workspace has its own {FILE}, {first}, which comes before one in this folder. "
            "Edit that, or take another workspace for your own data: "
            "`export FARTHING_WORKSPACE=DIR`, then `farthing init`."
        )
    if file.exists() and not force:
        raise Refused(f"{FILE} is there already. Edit it, or write over it with --force.")
    found = detected(os.environ)
    replace_text(file, content(found))
    if as_json:
        reading.print_json({"file": FILE, "providers": sorted(found)})
        return
    names = ", ".join(sorted(found)) or "no provider yet: no key is in the environment"
    typer.echo(f"{FILE} written ({names}). Check it with `farthing doctor`.")


def detected(environment: Mapping[str, str]) -> dict[str, str]:
    """Providers whose key is in the environment, with the variable that it is in."""
    set_ones = {
        name: [variable for variable in variables if environment.get(variable, "").strip()]
        for name, variables in VARIABLES.items()
    }
    return {name: variables[0] for name, variables in set_ones.items() if variables}


def content(providers: Mapping[str, str]) -> str:
    """The file's text."""
    tables = [_provider(name, variable, "") for name, variable in providers.items()]
    shown = tables or [_provider("openai", "OPENAI_API_KEY", "# ")]
    return "\n".join([_HEAD, *shown, _TAIL])


def _provider(name: str, variable: str, hidden: str) -> str:
    lines = (f"[providers.{name}]", f'kind = "{name}"', f'api_key = "env:{variable}"')
    return "".join(f"{hidden}{line}\n" for line in lines)
