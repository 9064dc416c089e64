"""Run the benchmarks one after another, each in a process of its own: `./dev bench [NAME …]`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent


def main(names: list[str]) -> int:
    found = {path.stem.removeprefix("bench_"): path for path in sorted(FOLDER.glob("bench_*.py"))}
    if unknown := [name for name in names if name not in found]:
        known = ", ".join(found) or "none"
        print(f"No benchmark is called {', '.join(unknown)}; there are {known}.")
        return 2
    failed = [name for name in names or found if not _run(name, found[name])]
    if failed:
        print(f"\nFailed: {', '.join(failed)}")
    return int(bool(failed))


def _run(name: str, path: Path) -> bool:
    print(f"\n{name}", flush=True)
    began = time.monotonic()
    command = [sys.executable, "-m", f"benchmarks.{path.stem}"]
    done = subprocess.run(command, cwd=FOLDER.parent, check=False)
    print(f"({time.monotonic() - began:.0f} s)", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
