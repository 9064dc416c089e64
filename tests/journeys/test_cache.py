"""Kept answers outlive a restart where a policy says so, are sealed, and can be forgotten."""

import json
import os
import signal
import stat
import threading
import time

import pytest

from tests.gateways import key, until_ready, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing_here

ON = '[cache]\nmode = "on"\n'
SECOND = 1.0  # within which a running gateway follows


@pytest.fixture
def folder(tmp_path):
    configured(tmp_path, ON)
    return tmp_path


def configured(folder, policy):
    text = '[providers.simulator]\nkind = "simulator"\nmodels = ["sim-small", "sim-medium"]\n'
    (folder / "farthing.toml").write_text(text + policy)


def ask(token, content, *, stream=False, model="sim-small", **headers):
    body = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 40,
        "stream": stream,
    }
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return body, {"authorization": f"Bearer {token}", **given}, 30.0


def sent(url, call):
    (answer,) = send_all(url, [call])
    assert answer.status == 200, answer
    return answer, answer.headers["x-farthing-cache"]


def file_of(folder):
    return folder / ".farthing" / "cache.db"


def show(folder):
    done = farthing_here("cache", "show", "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return {row["tenant"]: row for row in json.loads(done.stdout)}


def on_disk(folder):
    """How many answers of ours lie there; the first is told of only after a while."""
    return show(folder).get("search", {}).get("disk_entries", 0)


def purge(folder, *options):
    done = farthing_here("cache", "purge", *options, "--json", folder=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def until(true):
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_hits_survive_a_restart_and_a_kill_and_the_file_gives_nothing_away(folder):
    token = key(folder)["key"]
    calls = [ask(token, f"Where is the {word}?", stream=word == "king") for word in ("pea", "king")]
    with up(folder) as first:
        bodies = [sent(first.gateway, call)[0].body for call in calls]
    with up(folder) as second:
        for call, body in zip(calls, bodies, strict=True):
            answer, word = sent(second.gateway, call)
            assert (word, answer.body) == ("hit", body)
            assert answer.headers["x-farthing-cost-usd"] == "0"
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        # … and another process has them even if this one ends by SIGKILL.
        extra = ask(token, "And the queen?")
        body = sent(second.gateway, extra)[0].body
        until(lambda: on_disk(folder) == 3)
        until(lambda: show(folder)["search"]["hits"] >= 2)  # told every five seconds
        os.kill(second.gateway_pid(), signal.SIGKILL)
        until_ready(second.gateway)
        answer, word = sent(second.gateway, extra)
        assert (word, answer.body) == ("hit", body)
        assert show(folder)["search"]["hits"] >= 2
    for path in file_of(folder).parent.glob("cache.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = json.loads(bodies[0])["choices"][0]["message"]["content"].encode()
    for path in (path for path in file_of(folder).parent.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert text not in content, path
        assert b"Where is the pea" not in content, path


def test_no_answer_reaches_the_disk_unless_the_policy_says_so(tmp_path):
    configured(tmp_path, "")
    token = key(tmp_path)["key"]
    call = ask(token, "Anything?")
    call[0]["temperature"] = 0
    with up(tmp_path) as started:
        sent(started.gateway, call)
        assert sent(started.gateway, call)[1] == "hit"
    assert not list(file_of(tmp_path).parent.glob("cache.db*"))


def test_turning_it_off_removes_what_was_kept(folder):
    token = key(folder)["key"]
    with up(folder) as started:
        sent(started.gateway, ask(token, "Anything?"))
        until(lambda: on_disk(folder) == 1)
        (folder / "off.toml").write_text('[cache]\nmode = "off"\n')
        assert farthing_here("policy", "set", "off.toml", folder=folder).returncode == 0
        until(lambda: not list(file_of(folder).parent.glob("cache.db*")))
        assert sent(started.gateway, ask(token, "Anything?"))[1] == "bypass"


def test_a_purge_reaches_memory_disk_and_replays_of_a_running_gateway_and_nobody_elses(folder):
    mine = key(folder, "--tenant", "mine")["key"]
    theirs = key(folder, "--tenant", "theirs")["key"]
    calls = {
        "plain": ask(mine, "One?"),
        "customer": ask(mine, "One?", x_farthing_customer="north"),
        "replay": ask(mine, "Two?", idempotency_key="k1", x_farthing_cache="off"),
        "theirs": ask(theirs, "One?"),
        "model": ask(theirs, "One?", model="sim-medium"),
    }
    with up(folder) as started:

        def words():
            return {name: sent(started.gateway, call)[1] for name, call in calls.items()}

        words()
        kept = {name: "replayed" if name == "replay" else "hit" for name in calls}
        assert words() == kept
        until(lambda: sum(row["disk_entries"] for row in show(folder).values()) == 4)

        told = purge(folder, "--tenant", "mine", "--dry-run")
        assert (told["purged"], told["dry_run"], told["disk_entries"]) == ("tenant=mine", True, 2)
        time.sleep(SECOND)
        assert words() == kept

        assert purge(folder, "--tenant", "mine")["disk_entries"] == 2
        time.sleep(SECOND)
        found = show(folder)
        assert {
            name: row["disk_entries"] for name, row in found.items() if row["disk_entries"]
        } == {"theirs": 2}
        gone = {"plain": "miss", "customer": "miss", "replay": "bypass"}
        assert words() == {**kept, **gone}

        purge(folder, "--model", "sim-med*")
        time.sleep(SECOND)
        assert words() == {**kept, "model": "miss"}
        purge(folder, "--customer", "north")
        time.sleep(SECOND)
        assert words() == {**kept, "customer": "miss"}
        purge(folder, "--all")
        time.sleep(SECOND)
        assert {word for word in words().values() if word in {"hit", "replayed"}} == set()


def test_an_answer_that_was_on_its_way_is_not_kept_after_a_purge(folder):
    token = key(folder)["key"]
    slow = ask(token, "Slow?", x_sim_latency_ms="2500", idempotency_key="slow")
    with up(folder) as started:
        calling = threading.Thread(target=sent, args=(started.gateway, slow))
        calling.start()
        time.sleep(0.5)
        purge(folder, "--team", "search")
        calling.join()
        assert sent(started.gateway, slow)[1] == "miss"
        assert sent(started.gateway, slow)[1] == "replayed"


def test_a_purge_without_a_gateway_holds_when_it_starts(folder):
    token = key(folder)["key"]
    with up(folder) as started:
        for content in ("One?", "Two?"):
            sent(started.gateway, ask(token, content))
    assert show(folder)["search"]["memory_entries"] == 0
    assert purge(folder, "--team", "search") == {
        "purged": "team=search",
        "dry_run": False,
        "memory_entries": 0,
        "memory_bytes": 0,
        "disk_entries": 2,
        "disk_bytes": pytest.approx(3000, abs=2900),
    }
    assert show(folder)["search"]["disk_entries"] == 0
    with up(folder) as started:
        assert sent(started.gateway, ask(token, "One?"))[1] == "miss"


def test_a_cache_that_cannot_be_read_is_set_aside_and_calls_go_on(folder):
    token = key(folder)["key"]
    file_of(folder).write_bytes(b"no database at all" * 1000)
    with up(folder) as started:
        assert sent(started.gateway, ask(token, "One?"))[1] == "miss"
    assert file_of(folder).with_name("cache.db.aside").exists()
    with up(folder) as started:
        assert sent(started.gateway, ask(token, "One?"))[1] == "hit"


@pytest.mark.parametrize("options", [[], ["--all", "--team", "search"]])
def test_a_purge_of_nothing_or_of_everything_and_something_is_refused(tmp_path, options):
    done = farthing_here("cache", "purge", *options, folder=tmp_path)
    assert done.returncode == 2
    assert "--tenant, --team, --customer or --model; or --all" in done.stderr


def test_where_there_is_no_workspace_nothing_is_kept_and_none_is_made(tmp_path):
    assert "No answers are kept" in farthing_here("cache", "show", folder=tmp_path).stdout
    done = farthing_here("cache", "purge", "--all", folder=tmp_path)
    assert done.stdout == "Forgotten (all): 0 in memory, 0 on disk.\n"
    assert not list(tmp_path.iterdir())
