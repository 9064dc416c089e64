"""How long `farthing --help` takes, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

ROUNDS = 15


def main() -> None:
    helped, nothing = [], []
    for _ in range(ROUNDS):
        helped.append(_seconds("-m", "farthing.cli.main", "--help"))
        nothing.append(_seconds("-c", "pass"))
    print(
        f"farthing --help {median(helped):.3f} s (best {min(helped):.3f}; asked: 0.25),"
        f" {median(helped) / median(nothing):.1f} times an empty interpreter"
    )


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
