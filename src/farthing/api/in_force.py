"""What of state.db the telling of calls needs, read again when somebody changed something."""

from __future__ import annotations

from collections.abc import Mapping

from farthing.access.keyring import Keyring
from farthing.domain.errors import Refused
from farthing.ledger.state import State
from farthing.policy import versions
from farthing.policy.policy import DEFAULT, parse

SLACK_SECONDS = 5.0  # for a retry's price, and for our own delay


class InForce:
    """For the thread that opened `state`."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._seen: object = None
        self.tenants: Mapping[str, str] = {}  # by the id of a key
        self.patience = 0.0  # seconds after which a call that failed is not tried again

    def look(self) -> None:
        seen = self._state.rows("SELECT max(rowid) FROM audit")  # every change is noted there
        if seen == self._seen:
            return
        self.tenants = {key.id: key.tenant for key in Keyring.load(self._state).all()}
        self.patience = _patience(self._state)
        self._seen = seen


def _patience(state: State) -> float:
    try:
        policy = parse(versions.current(state).text)
    except Refused:  # of a newer version: the gateway stays with what it had
        policy = DEFAULT
    return policy.retry.max_wait_seconds + policy.hold.wait_seconds + SLACK_SECONDS
