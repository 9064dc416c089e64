"""A small process prices what it meets: it asks a clerk once, and never waits for a price."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices import store
from farthing.prices.book import Book, Priced, Unpriced
from farthing.prices.gaps import GAPS
from farthing.prices.inquiry import COMMAND, Inquiry
from farthing.prices.live import ASK_AGAIN_SECONDS, RETRY_SECONDS, LivePrices
from farthing.prices.shelf import Shelf

ON = datetime(2026, 11, 25, 12, tzinfo=UTC)
MILLION = Usage(1_000_000)


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def live(inquiry: Inquiry, clock: Clock, file=None) -> LivePrices:
    shelf = Shelf()
    return LivePrices(Book(shelf, (), GAPS), shelf, inquiry, file, clock)


def script(code: str, patience: float = 10.0) -> Inquiry:
    """A clerk that behaves badly."""
    return Inquiry((sys.executable, "-c", code), patience)


@pytest.fixture
def clock():
    return Clock()


async def test_a_model_is_unpriced_until_it_is_learned_and_then_costs_what_it_costs(tmp_path):
    (tmp_path / "farthing.toml").write_text(
        '[providers.prod]\npriced_as = "openai"\n[[prices]]\nprovider = "prod"\ndiscount = "50%"\n'
    )
    prices = LivePrices.open(tmp_path)
    assert not prices.knows("prod", "gpt-4o")
    assert isinstance(prices.book.price("prod", "gpt-4o", MILLION, ON), Unpriced)
    assert await prices.learn("prod", "gpt-4o")
    assert prices.knows("prod", "gpt-4o")
    paid = prices.book.price("prod", "gpt-4o", MILLION, ON)
    assert (paid.list, paid.effective) == (Money.of("2.5"), Money.of("1.25"))
    assert paid == Book.load(tmp_path).price("prod", "gpt-4o", MILLION, ON)
    await prices.close()

    again = LivePrices.open(tmp_path)
    assert again.knows("prod", "gpt-4o")
    assert again.book.price("prod", "gpt-4o", MILLION, ON) == paid
    assert store.read(tmp_path / store.FILE)


async def test_many_callers_wait_for_one_answer(clock, tmp_path):
    log = tmp_path / "asked"
    counted = (
        "import sys\nfrom farthing.prices import clerk\nlines = clerk._lines\n"
        f"def spy(*given):\n    for line in lines(*given):\n"
        f"        open({str(log)!r}, 'ab').write(line + b'\\n')\n        yield line\n"
        "clerk._lines = spy\nclerk.main()"
    )
    prices = live(script(counted), clock)
    names = [("openai", "gpt-4o")] * 50 + [("openai", "gpt-5")] * 50
    answers = await asyncio.gather(*(prices.learn(*name) for name in names))
    assert all(answers)
    assert [json.loads(line)["model"] for line in log.read_text().split("\n") if line] == [
        "gpt-4o",
        "gpt-5",
    ]
    await prices.close()


async def test_an_unknown_model_is_known_to_be_unknown_for_ten_minutes(clock):
    prices = live(Inquiry(), clock)
    assert await prices.learn("openai", "no-such-model")
    assert prices.knows("openai", "no-such-model")
    paid = prices.book.price("openai", "no-such-model", MILLION, ON)
    assert paid == Unpriced("unknown_model")
    clock.time += ASK_AGAIN_SECONDS
    assert not prices.knows("openai", "no-such-model")
    await prices.close()


@pytest.mark.parametrize(
    "code",
    [
        "import time; time.sleep(60)",  # hangs
        "raise SystemExit(1)",  # dies
        "input(); print('nonsense')",
        "input(); print('{}')",
        "input(); print('half', end='')",
    ],
)
async def test_a_clerk_that_fails_leaves_the_model_unpriced_and_is_asked_again_later(code, clock):
    prices = live(script(code, patience=0.5), clock)
    assert not await prices.learn("openai", "gpt-4o")
    assert not prices.knows("openai", "gpt-4o")
    assert isinstance(prices.book.price("openai", "gpt-4o", MILLION, ON), Unpriced)
    prices._inquiry = Inquiry()
    assert not await prices.learn("openai", "gpt-4o")  # not at once
    clock.time += RETRY_SECONDS
    assert await prices.learn("openai", "gpt-4o")
    assert isinstance(prices.book.price("openai", "gpt-4o", MILLION, ON), Priced)
    await prices.close()


async def test_a_clerk_that_is_gone_is_started_again():
    inquiry = Inquiry()
    assert (await inquiry.ask("openai", "gpt-4o")).found
    inquiry._clerk.kill()
    assert (await inquiry.ask("openai", "gpt-5")).found
    await inquiry.close()


async def test_a_caller_that_hangs_up_does_not_take_the_answer_along(clock):
    prices = live(Inquiry(), clock)
    impatient = asyncio.create_task(prices.learn("openai", "gpt-4o"))
    patient = asyncio.create_task(prices.learn("openai", "gpt-4o"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient
    await prices.close()


async def test_closing_in_the_middle_ends_the_clerk(clock):
    prices = live(script("import time; time.sleep(60)"), clock)
    asking = asyncio.create_task(prices.learn("openai", "gpt-4o"))
    await asyncio.sleep(0.2)
    clerk = prices._inquiry._clerk
    await prices.close()
    assert clerk.returncode is not None
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_odd_names_do_no_harm(clock):
    prices = live(Inquiry(), clock)
    for name in ("", "a\nb", "\ud800", "ü" * 400, "x" * 10_000):
        await prices.learn("openai", name)
        assert isinstance(prices.book.price("openai", name, MILLION, ON), Unpriced)
    assert await prices.learn("openai", "gpt-4o")
    await prices.close()


def test_a_clerk_ends_with_its_input_or_when_nobody_asks():
    ends = subprocess.run(COMMAND, input=b"", timeout=20, check=True, capture_output=True)
    assert ends.stdout == b""
    idle = [sys.executable, "-c", "from farthing.prices.clerk import main; main(idle=0.1)"]
    with subprocess.Popen(idle, stdin=subprocess.PIPE) as clerk:
        assert clerk.wait(timeout=20) == 0


SMALL = """
import asyncio, sys
from datetime import UTC, datetime
from pathlib import Path
from farthing.domain.usage import Usage
from farthing.prices.live import LivePrices

async def main():
    prices = LivePrices.open(Path(sys.argv[1]))
    await prices.preload([("openai", "gpt-4o"), ("anthropic", "claude-sonnet-4-5")])
    now = datetime.now(UTC)
    print(prices.book.price("openai", "gpt-4o", Usage(1, details={"web_searches": 1}), now))
    print(prices.book.bound("anthropic", "claude-sonnet-4-5", now))
    await prices.close()

asyncio.run(main())
heavy = {"genai_prices", "pydantic", "httpx", "duckdb", "deltalake", "ibis"}
print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


def test_a_process_with_live_prices_never_imports_the_price_list(tmp_path):
    (tmp_path / "farthing.toml").write_text('[[prices]]\nmodel = "gpt-*"\ninput_mtok = "1"\n')
    command = [sys.executable, "-c", SMALL, str(tmp_path)]
    done = subprocess.run(command, timeout=60, check=True, capture_output=True, text=True)
    assert done.stdout.startswith("Priced(")
    assert "\nBound(" in done.stdout
    assert done.stderr.strip() == "[]"
