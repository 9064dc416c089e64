"""Ask the clerk: it is started when first needed, and again when it has gone."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress

import msgspec

from farthing.prices.clerk import Question
from farthing.prices.shelf import Told

# Reading the price list takes it a second of a whole core; two are shared with everything else.
PATIENCE_SECONDS = 15.0
LONGEST_ANSWER = 2**24  # bytes
COMMAND = (sys.executable, "-P", "-m", "farthing.prices.clerk")


class Inquiry:
    """One clerk, one question at a time."""

    def __init__(
        self, command: tuple[str, ...] = COMMAND, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._command, self._patience = command, patience
        self._turn = asyncio.Lock()
        self._clerk: Process | None = None

    async def ask(self, provider: str | None, model: str) -> Told | None:
        """The clerk's answer; None where there is none in time: ask again later."""
        async with self._turn:
            try:
                line = msgspec.json.encode(Question(provider, model)) + b"\n"
                async with asyncio.timeout(self._patience):
                    # One that was idle may end just as it is asked, hence a second try.
                    answer = await self._exchange(line) or await self._exchange(line)
                return msgspec.json.decode(answer, type=Told) if answer else None
            except (TimeoutError, OSError, ValueError):
                # Too late, not startable, or not an answer: whatever it says next is no answer
                # to the next question.
                await self._end()
                return None
            except asyncio.CancelledError:
                await self._end()
                raise

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _exchange(self, line: bytes) -> bytes | None:
        clerk = self._clerk = self._clerk or await self._start()
        if clerk.stdin is None or clerk.stdout is None:
            raise OSError("the clerk has no pipes")
        answer = b""
        with suppress(ConnectionError):
            clerk.stdin.write(line)
            await clerk.stdin.drain()
            answer = await clerk.stdout.readline()
        if not answer.endswith(b"\n"):
            await self._end()
            return None
        return answer

    async def _start(self) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=LONGEST_ANSWER
        )

    async def _end(self) -> None:
        clerk, self._clerk = self._clerk, None
        if clerk is not None:
            with suppress(ProcessLookupError):
                clerk.kill()
            await clerk.wait()
