"""What is served was stored for that tenant, has not expired and was not purged: against a model.

Real memory, thread, file and audit; a little room, so that much is evicted and read back.
"""

import asyncio
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from farthing.gateway import purges
from farthing.gateway.answers import Answers
from farthing.gateway.purges import Purge
from farthing.ledger.audit import By
from farthing.ledger.state import State
from farthing.policy.policy import Cache
from farthing.policy.rules.cache import cache_keys
from tests.unit.gateway.kept import kept, whose

KNOBS = Cache(mode="on", max_disk_mb=1)
NOW = 1e9
tenants = st.sampled_from(["a", "a/north", "b"])
prompts = st.integers(0, 1)
scopes = st.builds(
    Purge,
    tenant=st.sampled_from([None, "a", "a/north", "b"]),
    team=st.sampled_from([None, "a", "b"]),
    customer=st.sampled_from([None, "north"]),
    model=st.sampled_from([None, "m1", "m*"]),
)


def owner(tenant, prompt):
    team, _, customer = tenant.partition("/")
    return whose(tenant, team, customer or None, f"m{prompt % 2}")


class AnswersAgainstAModel(RuleBasedStateMachine):
    asked = Bundle("asked")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.state = State.open(self.folder)
        self.runner = asyncio.Runner()
        self.now = NOW
        self.serial = 0
        self.stored = []  # tenant, prompt, serial, until
        self.flying = {}  # serial: whose, of what was asked for and not purged since
        self.start()

    def start(self):
        self.runner.run(self._start())

    async def _start(self):
        self.answers = Answers(KNOBS)
        self.answers.open(self.folder, self.state, lambda: self.now)
        self.answers.follow(self.state)
        self.answers.limit(KNOBS)
        self.answers.memory.resize(9_000)
        await self.answers.ready()

    def keys(self, tenant, prompt):
        return cache_keys(tenant, "openai_chat", "", b'{"prompt": %d}' % prompt)

    @rule(target=asked, tenant=tenants, prompt=prompts)
    def ask(self, tenant, prompt):
        self.serial += 1
        self.flying[self.serial] = owner(tenant, prompt)
        return tenant, prompt, self.serial, self.answers.generation

    @rule(asked=asked, seconds=st.integers(1, 500), size=st.integers(1, 6000))
    def answer(self, asked, seconds, size):
        tenant, prompt, serial, generation = asked
        of = owner(tenant, prompt)
        purged = self.answers.purged_since(generation, of)
        assert purged is (serial not in self.flying)
        if purged:
            return
        until = self.now + seconds
        body = f"{tenant} {prompt} {serial} {'x' * size}".encode()
        key, secret = self.keys(tenant, prompt)
        answer = kept(body, until=until, of=of)
        self.runner.run(self._put(key, answer, secret))
        self.stored.append((tenant, prompt, serial, until))

    async def _put(self, key, answer, secret):
        self.answers.put(key, answer, secret)

    @rule(tenant=tenants, prompt=prompts, seconds=st.integers(1, 500))
    def buy(self, tenant, prompt, seconds):
        self.answer(self.ask(tenant, prompt), seconds, 4000)

    @rule()
    def look_at_all(self):
        for tenant in ("a", "a/north", "b"):
            for prompt in range(2):
                self.look(tenant, prompt)

    def look(self, tenant, prompt):
        found = self.runner.run(self._look(tenant, prompt))
        if found is None:
            return
        said = found.chunks[0].decode().split()
        assert said[:2] == [tenant, f"{prompt}"]
        allowed = {each[:3] for each in self.stored if each[3] > self.now}
        assert (tenant, prompt, int(said[2])) in allowed

    async def _look(self, tenant, prompt):
        key, secret = self.keys(tenant, prompt)
        found = self.answers.get(key, self.now)
        if found is None and self.answers.may_be_on_disk(key):
            found = await self.answers.fetch(key, secret, self.now)
        return found

    @rule(purge=scopes)
    def purge(self, purge):
        with self.state.changing() as change:
            purges.note(change, purge, By("cli:ada", datetime.now(UTC)))
        self.runner.run(self._follow())
        self.stored = [each for each in self.stored if not purge.covers(owner(*each[:2]))]
        self.flying = {n: of for n, of in self.flying.items() if not purge.covers(of)}

    async def _follow(self):
        self.answers.follow(self.state)

    @rule()
    def write_now(self):
        self.runner.run(self._write_now())

    async def _write_now(self):
        self.answers.disk._write()
        await self.answers.ready()

    @rule(seconds=st.sampled_from([1, 100, 500]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def restart(self):
        self.runner.run(self.answers.close())
        self.start()

    def teardown(self):
        self.runner.run(self.answers.close())
        self.runner.close()
        self.state.close()
        shutil.rmtree(self.folder)


TestAnswersAgainstAModel = AnswersAgainstAModel.TestCase
TestAnswersAgainstAModel.settings = settings(max_examples=30, stateful_step_count=40, deadline=None)


def test_an_answer_evicted_from_memory_and_one_of_the_last_run_come_from_the_disk():
    machine = AnswersAgainstAModel()
    for prompt in range(6):
        machine.answer(machine.ask("a", prompt), 500, 5000)
    machine.write_now()
    found = [machine.runner.run(machine._look("a", prompt)) for prompt in range(6)]
    assert None not in found
    machine.restart()
    assert machine.runner.run(machine._look("a", 3)).chunks == found[3].chunks
    assert machine.runner.run(machine._look("b", 3)) is None
    machine.teardown()


def test_more_purges_than_are_remembered_still_hold_back_what_was_asked_before(monkeypatch):
    monkeypatch.setattr("farthing.gateway.answers.REMEMBERED", 2)
    machine = AnswersAgainstAModel()
    _, _, _, generation = machine.ask("a", 1)
    for _ in range(4):
        machine.purge(Purge(team="nobody"))
    assert machine.answers.purged_since(generation, whose("a"))
    _, _, _, generation = machine.ask("a", 1)
    machine.purge(Purge(team="nobody"))
    assert not machine.answers.purged_since(generation, whose("a"))
    machine.teardown()


def test_an_answer_on_disk_ends_with_its_time():
    machine = AnswersAgainstAModel()
    machine.buy("a", 1, seconds=100)
    machine.restart()
    machine.wait(99)
    assert machine.runner.run(machine._look("a", 1)) is not None
    machine.restart()
    machine.wait(1)
    assert machine.runner.run(machine._look("a", 1)) is None
    machine.teardown()
