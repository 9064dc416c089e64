"""Run `farthing` as a user does, in a folder with nothing set: in its own process, or here."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

from farthing.cli.main import main

COMMAND = [sys.executable, "-c", "from farthing.cli.main import main; main()"]


def farthing(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """What came of `farthing ARGUMENTS` in `folder`."""
    given = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}
    given.pop("FARTHING_WORKSPACE", None)
    if not {"stdout", "stderr"} & set(more):
        more["capture_output"] = True
    return subprocess.run(
        [*COMMAND, *arguments], cwd=folder, env=given, text=True, check=False, **more
    )


def farthing_here(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process: ten times as fast, for commands that start nothing."""
    out, err = io.StringIO(), io.StringIO()
    given = {name: text for name, text in os.environ.items() if name != "FARTHING_WORKSPACE"}
    with (
        chdir(folder),
        patch.object(sys, "argv", ["farthing", *arguments]),
        patch.dict(os.environ, given, clear=True),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())
