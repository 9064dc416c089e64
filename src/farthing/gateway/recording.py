"""An answer kept as it passes: for those who wait for the same, and for those who ask later."""

from __future__ import annotations

import asyncio

from farthing.providers.transport.wire import Headers

MOST_BYTES = 16 << 20  # beyond that nobody else joins, and nothing is kept

# Said of one call only: never repeated to another.
_OF_ONE_CALL = frozenset({b"x-farthing-cost-usd", b"content-length"})


class Recording:
    """What came so far. Followers read along with `read`; the leader never waits for them."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Headers = []
        self.chunks: list[bytes] = []
        self.size = 0
        self.followers = 0
        self.over = False  # nothing more comes
        self.failed = False  # … and what came is no answer
        self.cut = False  # … and nothing in it says so
        self._news: list[asyncio.Future[None]] = []

    def start(self, status: int, headers: Headers) -> None:
        self.status = status
        self.headers = [each for each in headers if each[0] not in _OF_ONE_CALL]

    def chunk(self, chunk: bytes) -> None:
        self.chunks.append(chunk)
        self.size += len(chunk)
        if self._news:
            self._tell()

    def wanted(self) -> bool:
        """Whether the answer is wanted even if its caller has gone."""
        return self.followers > 0

    def end(self, *, failed: bool) -> None:
        self.over, self.failed = True, failed
        if self._news:
            self._tell()

    @property
    def began(self) -> bool:
        """Whether a byte of a real answer is there: from then on nobody starts again."""
        return bool(self.chunks) and self.status < 400  # noqa: PLR2004

    async def read(self, after: int) -> bytes:
        """The chunks from number `after` on, at least one; b"" when nothing more comes."""
        while after >= len(self.chunks) and not self.over:
            news = asyncio.get_running_loop().create_future()
            self._news.append(news)
            await news
        return b"".join(self.chunks[after:])

    def _tell(self) -> None:
        news, self._news = self._news, []
        for each in news:
            if not each.done():
                each.set_result(None)
