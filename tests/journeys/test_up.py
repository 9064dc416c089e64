"""`farthing up` starts, tells where it is, restarts what dies, and ends in order."""

import json
import os
import signal
import socket
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from farthing.ledger import journal
from farthing.ledger.workspace import Workspace
from tests.gateways import Up, configure, key, provider, rows, start, until_ready, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing

SIMULATED = '[providers.simulator]\nkind = "simulator"\n'


def call(token, content="Hello", **headers):
    body = {"model": "sim-small", "messages": [{"role": "user", "content": content}]}
    return body, {"authorization": f"Bearer {token}", **headers}, 30.0


def refusal(asked):
    with pytest.raises(HTTPError) as told:
        urlopen(asked, timeout=5)
    with told.value:
        return told.value.code


def test_without_any_configuration_the_demo_answers_and_has_a_month_of_traffic(tmp_path):
    with up(tmp_path) as first:
        assert first.admin_token
        assert first.demo_key
        (answer,) = send_all(first.gateway, [call(first.demo_key)])
        assert answer.status == 200
        assert b"imulated" in answer.body
    with up(tmp_path) as second:
        assert second.admin_token is None
        assert second.demo_key == first.demo_key
    report = farthing("report", "--json", folder=tmp_path)
    assert json.loads(report.stdout)["calls"] > 30_000


def test_sigterm_lets_calls_end_and_closes_the_books(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path)
        started = start(tmp_path)
        (answer,) = send_all(started.gateway, [call(made["key"])])
        assert answer.status == 200
        assert started.stop() == 0
    assert journal.unclosed(Workspace.open(tmp_path / ".farthing")) == []
    assert len(rows(tmp_path)) == 1


def test_what_dies_is_started_again_on_the_same_port(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        made = key(tmp_path)
        with up(tmp_path) as started:
            os.kill(started.gateway_pid(), signal.SIGKILL)
            until_ready(started.gateway)
            (answer,) = send_all(started.gateway, [call(made["key"])])
            assert answer.status == 200


def test_a_killed_supervisor_takes_its_processes_with_it(tmp_path):
    with provider(tmp_path) as simulator:
        configure(tmp_path, simulator.url)
        started: Up = start(tmp_path)
        port = started.gateway.rpartition(":")[2]
        started.process.kill()
        started.stop()
        again = start(tmp_path, "--gateway-port", port)
        assert again.gateway == started.gateway
        assert again.stop() == 0


def test_the_admin_token_is_told_by_the_first_start_that_succeeds(tmp_path):
    (tmp_path / "farthing.toml").write_text(SIMULATED)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        failed = farthing("up", "--gateway-port", port, "--json", folder=tmp_path)
    assert (failed.returncode, failed.stdout) == (3, "")
    with up(tmp_path) as first:
        assert first.admin_token
        asked = Request(f"{first.office}/v1/traces", b"", {"content-type": "text/plain"})
        asked.add_header("authorization", f"Bearer {first.admin_token}")
        assert refusal(asked) == 415  # who asks is known
    with up(tmp_path) as second:
        assert second.admin_token is None


def test_only_names_that_are_allowed_are_answered(tmp_path):
    allowed = '[gateway]\nallowed_hosts = ["ai.example.com"]\n'
    (tmp_path / "farthing.toml").write_text(SIMULATED + allowed)
    token = key(tmp_path)["key"]
    with up(tmp_path) as started:
        hosts = ("ai.example.com:443", "AI.example.com", "localhost", "evil.example", "")
        answers = send_all(started.gateway, [call(token, host=host) for host in hosts])
        assert [each.status for each in answers] == [200, 200, 200, 400, 400]
        assert answers[-2].code == "host_not_allowed"
        evil = Request(f"{started.gateway}/metrics", headers={"host": "evil.example"})
        assert refusal(evil) == 400
        until_ready(started.gateway)


def test_a_file_that_another_comes_before_is_told(tmp_path):
    own = tmp_path / ".farthing"
    own.mkdir()
    (tmp_path / "farthing.toml").write_text(SIMULATED)
    (own / "farthing.toml").write_text("[providers.x]\naccount = 'a'\n")
    done = farthing("up", "--gateway-port", "0", "--office-port", "0", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert f"{tmp_path / 'farthing.toml'} is not read" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[gateway]\nworkers = 2\n", "shared state"),
        ("[providers.x]\naccount = 'a'\n", "farthing init"),
        ("[providers.x]\nkind = 'nobody'\n", "no kind is called"),
        ("[providers.x]\nkind = 'openai'\napi_key = 'env:NOT_SET_ANYWHERE'\n", "NOT_SET_ANYWHERE"),
        (f"{SIMULATED}[gateway]\ntls_cert = 'no.pem'\ntls_key = 'no.key'\n", "No such file"),
    ],
)
def test_what_cannot_be_served_is_refused_in_words(tmp_path, text, said):
    (tmp_path / "farthing.toml").write_text(text)
    done = farthing("up", "--gateway-port", "0", "--office-port", "0", "--json", folder=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stdout == ""
