"""A platform team's first day: keys, budgets, a policy, and a file that declares them."""

import json
import re
import subprocess

import pytest

from farthing.access.keyring import Keyring
from farthing.access.keys import RevokedKey
from farthing.budgets.store import all_budgets
from farthing.ledger.state import State
from tests.journeys.commands import COMMAND, farthing, farthing_here

FILE = """
[keys.ci]
team = "platform"
hard_budget = "5/day"

[keys.web]
team = "web"
models = ["gpt-4o*"]

[budgets.search]
limit = "100/month"
where = "team=search"

[policy.cache]
mode = "shadow"

[[allocate]]
match = "model~*embed*"
project = "search-index"
"""
NEXT = """
[keys.web]
team = "web"
models = ["gpt-4o*", "o3"]

[budgets.search]
limit = "200/month"
where = "team=search"
"""


@pytest.fixture
def run(tmp_path):
    def run(*arguments, code=0):
        done = farthing_here(*arguments, folder=tmp_path)
        assert done.returncode == code, done.stderr
        if code == 2:
            return done.stderr
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    return run


@pytest.fixture
def state(tmp_path, run):
    """A connection that stays open, as a running gateway's does."""
    run("key", "create", "--team", "first")
    state = State.open(tmp_path / ".farthing")
    yield state
    state.close()


def test_a_key_lives_from_creation_to_revocation_beside_a_running_gateway(run, state, tmp_path):
    seen = state.version()
    made = run("key", "create", "--team", "search", "--hard-budget", "1.00/month", "--json")
    assert set(made) == {"id", "key"}
    assert state.version() != seen
    key = Keyring.load(state).identify(made["key"], 0.0)
    assert (key.id, key.tenant) == (made["id"], "search")

    rotated = run("key", "rotate", made["id"], "--keep", "24h", "--json")
    assert set(rotated) == {"id", "key", "old_expires_at"}
    ring = Keyring.load(state)
    assert ring.identify(made["key"], 0.0) == ring.identify(rotated["key"], 0.0)
    (budget,) = run("budget", "list", "--json")
    assert (budget["name"], budget["limit_usd"]) == (f"key-{made['id']}", "1")
    assert budget["where"] == f"key={made['id']}"

    run("key", "revoke", made["id"])
    with pytest.raises(RevokedKey):
        Keyring.load(state).identify(rotated["key"], 0.0)
    listed = run("key", "list", "--json")
    assert [each["state"] for each in listed] == ["active", "revoked"]

    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for token in (made["key"], rotated["key"]):
        secret = token.split("_", 2)[2]
        assert secret.encode() not in written
        assert secret not in json.dumps(listed)


def test_a_budget_is_set_spent_blocked_raised_and_removed(run, state):
    run("budget", "set", "agents", "--limit", "0.50/run", "--where", "team=a")
    run("budget", "set", "search", "--limit", "100/month", "--timezone", "Europe/Berlin")
    start = run("budget", "show", "search", "--json")["period_start"]
    with state.changing() as change:
        for who, usd in (("s1", "0.1"), ("s2", "0.6")):
            row = ("agents", who, "", usd, None)
            change.execute("INSERT INTO sums VALUES (?, ?, ?, ?, ?)", row)
        row = ("search", "", start, "40.000000000001", "usage above its bound")
        change.execute("INSERT INTO sums VALUES (?, ?, ?, ?, ?)", row)
    agents, search = run("budget", "list", "--json")
    assert [each["instance"] for each in agents["instances"]] == ["s2", "s1"]
    assert [each["remaining_usd"] for each in agents["instances"]] == ["0", "0.4"]
    assert (agents["settled_usd"], agents["remaining_usd"]) == ("0.7", None)
    assert search["remaining_usd"] == "59.999999999999"
    assert search["blocked"] == "usage above its bound"

    raised = run("budget", "raise", "search", "--by", "$50", "--json")
    assert (raised["limit_usd"], raised["blocked"]) == ("150", None)
    assert all_budgets(state)["search"].lifts == 1
    refused = run("budget", "raise", "search", "--limit", "20/month", code=2)
    assert "20 USD does not raise" in refused
    run("budget", "remove", "search")
    assert [each["name"] for each in run("budget", "list", "--json")] == ["agents"]


def test_a_policy_goes_forth_and_back(run, tmp_path):
    first, second = '# 1\r\n[cache]\nmode = "shadow"\n', '[cache]\nmode = "off"\n'
    for number, text in enumerate((first, second), 1):
        (tmp_path / "policy.toml").write_bytes(text.encode())
        set_now = run("policy", "set", "policy.toml", "--why", f"reason {number}", "--json")
        assert (set_now["version"], set_now["text"]) == (number, text)
    run("policy", "rollback")
    shown = run("policy", "show", "--json")
    assert (shown["version"], shown["text"]) == (3, first)
    assert shown["policy"] == {"cache": {"mode": "shadow"}}
    assert '+mode = "off"' in run("policy", "diff", "1", "2")
    assert run("policy", "diff", "1") == ""
    reasons = [each["reason"] for each in run("policy", "list", "--json")]
    assert reasons == ["back to 1", "reason 2", "reason 1", "the defaults"]


def test_a_file_comes_into_force_whole_and_then_shows_no_drift(run, tmp_path):
    (tmp_path / "first.toml").write_text(FILE)
    (tmp_path / "next.toml").write_text(NEXT)
    told = run("config", "apply", "first.toml", "--dry-run", "--json", code=1)
    assert [(each["kind"], each["name"], each["change"]) for each in told["changes"]] == [
        ("key", "ci", "added"),
        ("key", "web", "added"),
        ("budget", "search", "added"),
        ("policy", "version 0", "added"),
        ("rules", "allocate", "added"),
    ]
    assert told["keys"] == {}
    assert not (tmp_path / ".farthing").exists()

    done = run("config", "apply", "first.toml", "--json")
    assert done["changes"] == told["changes"]
    assert set(done["keys"]) == {"ci", "web"}
    assert run("config", "apply", "first.toml", "--dry-run", "--json")["changes"] == []
    assert run("policy", "show") == '[cache]\nmode = "shadow"\n'

    run("budget", "set", "ours", "--limit", "1/day")
    web = next(each for each in run("key", "list", "--json") if each["name"] == "web")
    changes = run("config", "apply", "next.toml", "--json")["changes"]
    assert [(each["kind"], each["name"], each["change"]) for each in changes] == [
        ("key", "web", "changed"),
        ("key", "ci", "removed"),
        ("budget", "search", "changed"),
        ("policy", "version 1", "removed"),
        ("rules", "allocate", "removed"),
    ]
    keys = {each["name"]: each for each in run("key", "list", "--json")}
    assert (keys["web"]["id"], keys["web"]["models"]) == (web["id"], ["gpt-4o*", "o3"])
    assert keys["ci"]["state"] == "revoked"
    names = [each["name"] for each in run("budget", "list", "--json")]
    assert names == [f"key-{keys['ci']['id']}", "ours", "search"]
    assert run("policy", "show") == ""


def test_what_init_writes_is_sound_and_holds_no_secret(tmp_path):
    known = {"OPENAI_API_KEY": "sk-live-1234", "GEMINI_API_KEY": " ", "MISTRAL_API_KEY": "m-1234"}
    done = farthing("init", "--json", folder=tmp_path, environment=known)
    assert json.loads(done.stdout)["providers"] == ["mistral", "openai"]
    text = (tmp_path / "farthing.toml").read_text()
    assert 'api_key = "env:OPENAI_API_KEY"' in text
    assert "1234" not in text
    checked = farthing("doctor", "--json", folder=tmp_path, environment=known)
    found = {each["check"]: each["state"] for each in json.loads(checked.stdout)}
    assert (found["configuration"], found["providers"]) == ("ok", "ok")
    again = farthing("init", folder=tmp_path, environment=known)
    assert again.returncode == 2
    assert "--force" in again.stderr


def test_init_writes_no_file_that_would_not_be_read(tmp_path):
    (tmp_path / ".farthing").mkdir()
    (tmp_path / ".farthing" / "farthing.toml").touch()
    for more in ((), ("--force",)):
        done = farthing("init", *more, folder=tmp_path)
        assert done.returncode == 2
        assert "comes before" in done.stderr
        assert not (tmp_path / "farthing.toml").exists()
    assert farthing("--workspace", "own", "init", folder=tmp_path).returncode == 0


def test_keys_made_at_once_are_all_made(run, tmp_path):
    run("key", "create", "--team", "first")
    command = [*COMMAND, "key", "create", "--team", "many"]
    running = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    tokens = {each.communicate()[0].decode().strip() for each in running}
    assert len(tokens) == 4
    assert len(run("key", "list", "--json")) == 5


def test_the_admin_token_is_made_anew_on_request(run):
    assert run("admin-token", "--json") == {"exists": False, "admin_token": None}
    token = run("admin-token", "--reset").strip()
    assert re.fullmatch(r"fa_[\w-]{43}", token)
    assert run("admin-token", "--json") == {"exists": True, "admin_token": None}
