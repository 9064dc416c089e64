"""Run `farthing` as a user does: another process, in a folder, with nothing set."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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
