"""`farthing doctor` sees what would keep the gateway from working, and touches nothing."""

import os
import socket
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from farthing.budgets.budget import Budget
from farthing.budgets.store import put
from farthing.cli import init
from farthing.cli.readiness import examine
from farthing.domain.money import Money
from farthing.ledger.audit import By
from farthing.ledger.state import FILE, State
from farthing.ledger.workspace import Workspace
from farthing.providers.kinds import KINDS
from tests.collectors import collector

NOW = datetime.now(UTC)


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ACME_KEY", raising=False)
    with free() as one, free() as two:
        settings(tmp_path, f"[gateway]\nport = {port(one)}\n[office]\nport = {port(two)}\n")
    State.open(Workspace.open(tmp_path / "ws").root).close()
    return tmp_path / "ws"


@pytest.fixture
def examined(workspace):
    def examined(now=None):
        now = now or datetime.now(UTC)  # the files were written just now
        before = {path: path.read_bytes() for path in workspace.glob("*") if path.is_file()}
        found = {each.check: each for each in examine(workspace, now)}
        assert {path: path.read_bytes() for path in before} == before
        return found

    return examined


def free():
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


def port(bound):
    return bound.getsockname()[1]


def settings(folder, text):
    (folder / "farthing.toml").write_text(text)


def test_a_sound_set_up_has_nothing_to_mend(examined):
    found = examined()
    assert {check: each.fix for check, each in found.items() if each.fix} == {}
    assert {"clock", "providers", "gateway port", "office port"} <= set(found)
    assert {"state.db", "budgets", "policy", "drift"} <= set(found)


def test_a_secret_that_is_not_there_is_named(examined, tmp_path, monkeypatch):
    settings(tmp_path, '[providers.acme]\nkind = "openai"\napi_key = "env:ACME_KEY"\n')
    found = examined()["providers"]
    assert found.state == "wrong"
    assert "export ACME_KEY=" in found.found
    monkeypatch.setenv("ACME_KEY", "s3cret")
    found = examined()["providers"]
    assert found.state == "ok"
    assert "s3cret" not in found.found


@pytest.mark.parametrize(
    ("provider", "says"), [('kind = "opnai"', "no kind"), ('kind = "azure"', "give base_url")]
)
def test_a_provider_that_cannot_be_called_is_named(examined, tmp_path, provider, says):
    settings(tmp_path, f"[providers.acme]\n{provider}\n")
    found = examined()["providers"]
    assert found.state == "wrong"
    assert says in found.found


def test_what_init_writes_are_kinds_that_need_no_address():
    everything = {name: variables[0] for name, variables in init.VARIABLES.items()}
    assert all(KINDS[name].base_url for name in everything)
    assert init.detected(dict.fromkeys(everything.values(), "x")) == everything


def test_a_port_that_something_else_has_is_told_and_our_own_is_fine(examined, tmp_path):
    with free() as silent, HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ports = (server.server_port, port(silent))
        settings(tmp_path, "[gateway]\nport = {}\n[office]\nport = {}\n".format(*ports))
        found = examined()
        server.shutdown()
        thread.join()
    assert found["gateway port"].state == "ok"
    assert "farthing answers" in found["gateway port"].found
    assert found["office port"].state == "warning"
    assert "[office]" in found["office port"].fix


def test_a_certificate_that_cannot_be_read_is_told(examined, tmp_path):
    pair = 'tls_cert = "no.pem"\ntls_key = "no.key"\n'
    settings(tmp_path, f"[gateway]\nport = 0\n{pair}[office]\nport = 0\n")
    found = examined()["gateway port"]
    assert found.state == "wrong"
    assert "no.pem" in found.found


def test_a_clock_that_went_back_is_told(examined, workspace):
    later = (NOW + timedelta(hours=1)).timestamp()
    os.utime(workspace / FILE, (later, later))
    assert examined()["clock"].state == "wrong"


@pytest.mark.parametrize("place", [0, 5000])
def test_a_damaged_state_is_told(examined, workspace, place):
    whole = bytearray((workspace / FILE).read_bytes())
    whole[place : place + 4000] = b"\xff" * 4000
    (workspace / FILE).write_bytes(whole)
    found = examined()["state.db"]
    assert found.state == "wrong"
    assert "backup" in found.fix


def test_a_budget_whose_filter_no_longer_parses_is_named(examined, workspace):
    state = State.open(workspace)
    with state.changing() as change:
        put(change, Budget(name="b", limit=Money.of(1), span="day"), "cli", By("me", NOW))
        change.execute("""UPDATE budgets SET value = replace(value, '"where":""', '"where":"x"')""")
    state.close()
    found = examined()["budgets"]
    assert found.state == "wrong"
    assert "farthing budget set b" in found.fix


def test_a_file_that_says_otherwise_than_what_is_in_force_is_told(examined, tmp_path):
    settings(tmp_path, '[budgets.search]\nlimit = "1/day"\n')
    found = examined()["drift"]
    assert found.state == "warning"
    assert "budget search" in found.found
    assert "config apply" in found.fix
    settings(tmp_path, '[budgets.search]\nlimit = "1/year"\n')
    assert examined()["drift"].state == "wrong"


@pytest.mark.parametrize(
    ("answers", "state", "words"),
    [([], "ok", "takes spans"), ([403], "warning", "headers"), ([404], "warning", "address")],
)
def test_the_collector_is_asked_with_an_empty_document(
    examined, tmp_path, monkeypatch, answers, state, words
):
    monkeypatch.setenv("OTLP_TOKEN", "s3cret")
    with collector() as received:
        received.answers = answers
        headers = 'headers = { authorization = "env:OTLP_TOKEN" }'
        settings(tmp_path, f'[telemetry]\notlp = "{received.url}"\n{headers}\n')
        found = examined()["telemetry"]
    assert (found.state, words in found.found, received.spans) == (state, True, [])
    assert "s3cret" not in f"{found.found} {found.fix}"


def test_a_collector_that_is_away_is_a_warning_and_a_secret_that_is_not_there_is_wrong(
    examined, tmp_path, monkeypatch
):
    monkeypatch.delenv("OTLP_TOKEN", raising=False)
    settings(tmp_path, '[telemetry]\notlp = "http://127.0.0.1:1"\n')
    assert examined()["telemetry"].state == "warning"
    settings(
        tmp_path, '[telemetry]\notlp = "http://c:1"\nheaders.authorization = "env:OTLP_TOKEN"\n'
    )
    found = examined()["telemetry"]
    assert found.state == "wrong"
    assert "OTLP_TOKEN" in found.found
