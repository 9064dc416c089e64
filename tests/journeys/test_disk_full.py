"""A full disk: hard budgets refuse and say so, soft calls go on, and what came is written later."""

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from contextlib import suppress
from decimal import Decimal
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.gateways import budget, configure, key, provider, rows, until_ready, up
from tests.journeys.disks import disk, may_mount

DISKS = ["tmpfs" if may_mount() else "limit"]
SAY = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "sim-small", "messages": SAY, "max_tokens": 20}
GEMINI = {"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": 20}}
SHAPES = {
    "openai": ("/v1/chat/completions", CHAT, lambda said: said["error"]["code"]),
    "responses": (
        "/v1/responses",
        {"model": "sim-small", "input": "Hi", "max_output_tokens": 20},
        lambda said: said["error"]["code"],
    ),
    "anthropic": ("/v1/messages", CHAT, lambda said: said["error"]["code"]),
    "gemini": (
        "/v1beta/models/sim-small:generateContent",
        GEMINI,
        lambda said: said["error"]["details"][0]["reason"],
    ),
}


def post(gateway, token, path="/v1/chat/completions", body=CHAT, **headers):
    """Status, headers and body of an answer."""
    request = Request(
        f"{gateway.gateway}{path}",
        json.dumps(body).encode(),
        {
            "authorization": f"Bearer {token}",
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )
    return got(request)


def got(request):
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def until_refused(gateway, token):
    """Until the journal's last page is full, too; answers how many calls still got through."""
    for number in range(50):
        status, headers, body = post(gateway, token)
        if status != 200:
            return number, status, headers, json.loads(body)
    raise AssertionError("the disk is full, and nobody noticed")


def refused_in_every_shape(gateway, token):
    _, status, headers, said = until_refused(gateway, token)
    assert (status, said["error"]["code"]) == (503, "journal_unwritable")
    assert "Try again later" in said["error"]["message"]
    assert headers["x-should-retry"] is None
    for path, body, code in SHAPES.values():
        status, _, answer = post(gateway, token, path, body)
        assert (status, code(json.loads(answer))) == (503, "journal_unwritable")


def both_say_so(gateway):
    status, _, told = got(f"{gateway.gateway}/readyz")
    assert (status, told) == (503, b"the journal cannot be written\n")
    status, _, told = got(f"{gateway.office}/readyz")
    assert status == 503
    assert "is full" in json.loads(told)["error"]


class Flying:
    """A call that the provider takes its time for."""

    def __init__(self, gateway, token):
        self._told = []
        self._thread = threading.Thread(target=self._ask, args=(gateway, token))
        self._thread.start()

    def _ask(self, gateway, token):
        with suppress(OSError):
            self._told.append(post(gateway, token, x_sim_latency_ms="1500")[0])

    def status(self):
        """None where the connection broke."""
        self._thread.join()
        return self._told[0] if self._told else None


def unwritten(gateway):
    _, _, told = got(f"{gateway.gateway}/metrics")
    return float(re.search(rb"^farthing_unwritten_rows (\S+)", told, re.M)[1])


def once(simulator, booked):
    """Every attempt that reached the provider has one row."""
    reached = Counter(each["id"] for each in simulator.attempts())
    attempts = Counter(f"{row['id']}-{row['attempt']}" for row in booked if row["attempt"])
    assert reached
    assert attempts == reached


@pytest.fixture(params=DISKS)
def small(request, tmp_path):
    with disk(request.param, tmp_path / "disk") as made:
        yield made


@pytest.fixture
def simulator(tmp_path):
    with provider(tmp_path) as started:
        yield started


def test_a_full_disk_stops_what_hard_budgets_cover_and_loses_nothing(small, simulator):
    folder = small.folder
    configure(folder, simulator.url)
    hard = key(folder, "--hard-budget", "100/month")
    soft = key(folder, "--soft-budget", "100/month")
    with up(folder) as gateway:
        assert {post(gateway, each["key"])[0] for each in (hard, soft)} == {200}
        flying = [Flying(gateway, each["key"]) for each in (hard, soft)]
        time.sleep(0.7)  # their intents are written
        small.fill(gateway)
        refused_in_every_shape(gateway, hard["key"])
        assert [post(gateway, soft["key"])[0] for _ in range(5)] == [200] * 5
        assert [each.status() for each in flying] == [200, 200]
        assert unwritten(gateway) > 5
        both_say_so(gateway)
        small.free(gateway)
        until_ready(gateway.gateway)
        assert unwritten(gateway) == 0
        assert got(f"{gateway.office}/readyz")[0] == 200
        assert post(gateway, hard["key"])[0] == 200
        assert gateway.stop() == 0
    booked = rows(folder)
    once(simulator, booked)
    refused = [row for row in booked if row["status"] == "refused"]
    assert len(refused) >= 5
    assert {Decimal(row["effective_usd"]) for row in refused} == {0}
    for name, each in ((f"key-{hard['id']}", hard), (f"key-{soft['id']}-soft", soft)):
        owed = [row["effective_usd"] for row in booked if row["scope"]["key"] == each["id"]]
        settled = budget(folder, name)["settled_usd"]
        assert Decimal(settled) == sum(map(Decimal, owed))


def test_a_gateway_that_dies_on_a_full_disk_recovers_what_it_had_said_before(small, simulator):
    folder = small.folder
    configure(folder, simulator.url)
    hard = key(folder, "--hard-budget", "100/month")
    with up(folder) as gateway:
        lost = Flying(gateway, hard["key"])
        time.sleep(0.7)
        small.fill(gateway)
        until_refused(gateway, hard["key"])
        os.kill(gateway.gateway_pid(), signal.SIGKILL)
        assert lost.status() is None
        time.sleep(1)  # on a disk that is still full the next one does not come up
        small.free(gateway)
        until_ready(gateway.gateway)
        assert post(gateway, hard["key"])[0] == 200
        assert gateway.stop() == 0
    booked = rows(folder)
    once(simulator, booked)
    # A second one, where an intent took the last room and left none for its settlement.
    assert [row["status"] for row in booked].count("recovered") in {1, 2}


def test_sums_that_cannot_be_stored_are_counted_in_memory_and_again_at_a_start(tmp_path, simulator):
    """state.db alone takes nothing: calls go on, for the journal has every one of them."""
    with disk("limit", tmp_path / "disk") as small:
        folder = small.folder
        configure(folder, simulator.url)
        hard = key(folder, "--hard-budget", "100/month")
        with up(folder) as gateway:
            log = folder / ".farthing" / "state.db-wal"
            small.fill(gateway, at=log.stat().st_size + 32_000)  # it outgrows the journal
            deadline = time.monotonic() + 20
            while b"cannot be stored" not in (told := got(f"{gateway.gateway}/readyz")[2]):
                assert post(gateway, hard["key"])[0] == 200
                assert time.monotonic() < deadline
                time.sleep(0.5)
            assert told == b"ready: budget sums cannot be stored\n"
            os.kill(gateway.gateway_pid(), signal.SIGKILL)
            until_ready(gateway.gateway)
            assert post(gateway, hard["key"])[0] == 200
            assert gateway.stop() == 0
        booked = rows(folder)
        once(simulator, booked)
        settled = budget(folder, f"key-{hard['id']}")["settled_usd"]
        assert Decimal(settled) == sum(Decimal(row["effective_usd"]) for row in booked)
