"""Every error farthing raises on purpose.

FarthingError
├── Refused            the caller's: bad input, bad configuration; trying again will not help
│   ├── BadInput       a file, a field or an option that cannot be read
│   └── NewerWorkspace the workspace was written by a later farthing
├── Unavailable        the world's: a lock, a disk, a server; trying again may help
│   └── DiskFull
└── Defect             ours: an invariant broke
    ├── InexactNumber
    └── Overflow
"""

from __future__ import annotations


class FarthingError(Exception):
    """Base of all deliberate errors. `code` is stable; the message may be reworded.

    `exit_code` is what the command line ends with, `status` what HTTP answers with.
    """

    code = "farthing"
    exit_code = 4
    status = 500


class Refused(FarthingError):
    """We will not do this, and the message says what to do instead."""

    code, exit_code, status = "refused", 2, 400


class Unavailable(FarthingError):
    """We cannot do this now; later may work."""

    code, exit_code, status = "unavailable", 3, 503


class Defect(FarthingError):
    """An invariant broke. This is a bug in farthing or in a plugin."""

    code = "defect"


class BadInput(Refused):
    """A source that cannot be read: says which file, which line or field, and the fix."""

    code = "bad_input"

    def __init__(self, where: str, what: str, fix: str) -> None:
        self.where, self.what, self.fix = where, what, fix
        super().__init__(f"{where}: {what}. {fix}")


class NewerWorkspace(Refused):
    code = "newer_workspace"

    def __init__(self, folder: str, found: int, known: int) -> None:
        super().__init__(
            f"{folder} has schema {found}; this farthing knows up to {known}. "
            "Upgrade farthing, or point --workspace elsewhere."
        )


class DiskFull(Unavailable):
    code = "disk_full"

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"The disk holding {folder} is full. Nothing was written; "
            "free some space and run the command again."
        )


class InexactNumber(Defect):
    code = "inexact_number"

    def __init__(self, value: object) -> None:
        super().__init__(f"Money was built from {value!r}; pass a str, an int or a Decimal.")


class Overflow(Defect):
    code = "overflow"
