"""What others learn of the gateway's calls: spans, whoever dies in between; metrics; logs."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from urllib.request import urlopen

import pytest

from farthing.domain.trace import parent_of, span_id
from tests.collectors import CLIENT, SERVER, collector, said
from tests.gateways import Up, configure, eventually, key, provider, rows, up
from tests.journeys.calling import send_all
from tests.journeys.commands import farthing

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
ATTEMPTS = 7  # of `mixed_calls`
COUNTS = ("input_tokens", "output_tokens", "effective_usd", "provider", "model", "scope")


def call(token: str, content: str = "Hello", **more: Any) -> tuple[Any, dict[str, str], float]:
    headers = {name.replace("_", "-"): more.pop(name) for name in list(more) if "_" in name}
    body = {"model": "sim-small", "messages": [{"role": "user", "content": content}], **more}
    return body, {"authorization": f"Bearer {token}", **headers}, 30.0


def traced(token: str, content: str, **more: Any) -> tuple[Any, dict[str, str], float]:
    body, headers, patience = call(token, content, **more)
    return body, {**headers, "traceparent": TRACEPARENT, "tracestate": "rojo=1"}, patience


def test_a_trace_goes_from_the_application_to_every_attempt(tmp_path: Path) -> None:
    with provider(tmp_path) as simulator, collector() as received:
        more = f'[telemetry]\notlp = "{received.url}"\n[retry]\nmax_wait_seconds = 1\n'
        configure(tmp_path, simulator.url, more)
        made = key(tmp_path)
        poor = key(tmp_path, "--hard-budget", "0.00000001/month")
        with up(tmp_path) as started:
            ok, failed, refused = send_all(
                started.gateway,
                [
                    traced(made["key"], "fine"),
                    traced(made["key"], "wrong", x_sim_error="500"),
                    traced(poor["key"], "dear"),
                ],
            )
            assert (ok.status, failed.status, refused.status) == (200, 500, 429)
            began = time.monotonic()
            ids = [each.headers["x-farthing-request-id"] for each in (ok, failed, refused)]
            eventually(lambda: {ids[0], ids[2]} <= set(calls(received, SERVER)))
            assert time.monotonic() - began < 5
            once = call(made["key"], "again", temperature=0)
            send_all(started.gateway, [once])
            (hit,) = send_all(started.gateway, [once])
            assert hit.headers["x-farthing-cache"] == "hit"
            eventually(lambda: len(received.of(SERVER)) == 5)
    above, below = calls(received, SERVER), calls(received, CLIENT)
    for number, attempts in zip(ids, (1, 3, 0), strict=True):
        server = above[number][0]
        assert server.trace_id.hex() == TRACE
        assert server.parent_span_id.hex() == PARENT
        assert [each.parent_span_id for each in below.get(number, [])] == [
            server.span_id
        ] * attempts
    assert said(above[ids[2]][0])["farthing.call.refusal"] == "budget_exhausted"
    assert [said(each)["error.type"] for each in below[ids[1]]] == ["500"] * 3
    told = said(above[hit.headers["x-farthing-request-id"]][0])
    assert (told["farthing.cache"], told["farthing.call.saved_by"]) == ("hit", "cache")
    (booked,) = rows(tmp_path, f"id={ids[0]}")
    assert said(below[ids[0]][0])["farthing.cost_usd_exact"] == booked["effective_usd"]


def test_whoever_dies_no_call_is_left_out_and_none_has_two_spans(tmp_path: Path) -> None:
    with provider(tmp_path) as simulator, collector() as received:
        configure(tmp_path, simulator.url, f'[telemetry]\notlp = "{received.url}"\n')
        made = key(tmp_path)
        ids: list[str] = []
        with up(tmp_path) as started:
            for part in range(4):
                received.answers = [503] * part
                answers = send_all(
                    started.gateway, [call(made["key"], f"{part} {n}") for n in range(25)]
                )
                ids += [each.headers["x-farthing-request-id"] for each in answers]
                killed = started.office_pid()
                os.kill(killed, signal.SIGKILL)
                eventually(lambda: has_another(started, killed))  # noqa: B023  waits right here
            eventually(lambda: set(ids) <= set(calls(received, SERVER)))
    assert {number: len(each) for number, each in calls(received, CLIENT).items()} == dict.fromkeys(
        ids, 1
    )


def has_another(started: Up, pid: int) -> bool:
    try:
        return started.office_pid() != pid
    except (AssertionError, OSError):
        return False


def test_what_we_export_we_import_with_equal_tokens_and_cost(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        (folder / "farthing.toml").write_text(SIMULATED)
    token = key(theirs)["key"]
    with up(theirs) as other:
        telemetry = (
            f'[telemetry]\notlp = "{other.office}"\nheaders = {{ authorization = "env:T" }}\n'
        )
        (ours / "farthing.toml").write_text(SIMULATED + telemetry)
        made = key(ours, "--tag", "app=ranking")["key"]
        with up(ours, environment={"T": f"Bearer {token}"}) as started:
            mixed_calls(started.gateway, made)
            eventually(lambda: len(imported(theirs)) == ATTEMPTS)
    assert told_of(imported(theirs)) == told_of(rows(ours, "attempt!=0"))


def test_what_we_export_to_ourselves_is_known_already(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    telemetry = f'[telemetry]\notlp = "http://127.0.0.1:{port}"\nheaders.authorization = "env:T"\n'
    (tmp_path / "farthing.toml").write_text(SIMULATED + telemetry)
    made = key(tmp_path)["key"]
    environment = {"T": f"Bearer {made}"}
    with up(tmp_path, "--office-port", str(port), environment=environment) as started:
        mixed_calls(started.gateway, made)
        eventually(
            lambda: f"farthing_office_spans_received_total {ATTEMPTS}.0" in page(started.office)
        )
        eventually(lambda: "farthing_office_inbox_documents 0.0" in page(started.office))
    assert len(rows(tmp_path, "attempt!=0")) == ATTEMPTS
    assert imported(tmp_path) == []


SIMULATED = (
    '[providers.simulator]\nkind = "simulator"\n'
    'models = ["sim-small", "sim-medium", "sim-large", "sim-embed"]\n'
)


def mixed_calls(url: str, token: str) -> None:
    """Some attempts: plain, streamed, a warm prompt cache, and a call that is tried again."""
    long = "a prompt that is long enough to be cached, " * 200
    calls = [
        call(token, "plain", user="bob"),
        call(token, "streamed", stream=True),
        call(token, long, x_farthing_customer="acme"),
        call(token, long),
    ]
    for each in calls:
        (answer,) = send_all(url, [each])
        assert answer.status == 200
    (answer,) = send_all(url, [call(token, "twice", x_sim_error="503")])
    assert answer.status == 503


def imported(folder: Path) -> list[dict[str, Any]]:
    found = farthing("calls", "--where", "source=otlp", "--jsonl", folder=folder)
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines()]


def told_of(found: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps({name: _plain(each.get(name)) for name in each if name in COUNTS},
                             sort_keys=True) for each in found)  # fmt: skip


def _plain(value: Any) -> Any:
    """A scope without the key, which is each ledger's own."""
    return {k: v for k, v in value.items() if k != "key"} if isinstance(value, dict) else value


def calls(received: Any, kind: int) -> dict[str, list[Any]]:
    """Spans of a kind by the request that they are of."""
    found: dict[str, list[Any]] = {}
    for span in received.of(kind):
        found.setdefault(said(span)["farthing.request_id"], []).append(span)
    return found


def page(url: str) -> str:
    with urlopen(f"{url}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


class Upstream(BaseHTTPRequestHandler):
    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        body = json.dumps(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "model": "m",
                "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def upstream() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("propagate", [True, False])
def test_a_provider_hears_of_the_trace_only_where_that_is_configured(
    tmp_path: Path, propagate: bool
) -> None:
    Upstream.seen.clear()
    with upstream() as url:
        (tmp_path / "farthing.toml").write_text(
            f'[providers.x]\nkind = "openai-compatible"\nbase_url = "{url}"\nmodels = ["sim-*"]\n'
            f"[telemetry]\npropagate = {str(propagate).lower()}\n"
        )
        made = key(tmp_path)["key"]
        with up(tmp_path) as started:
            (answer,) = send_all(started.gateway, [traced(made, "hello")])
    assert answer.status == 200
    (headers,) = Upstream.seen
    if propagate:
        own = span_id(answer.headers["x-farthing-request-id"], 1)
        assert parent_of(headers["traceparent"].encode()) == (TRACE, f"{own}-01")
        assert headers["tracestate"] == "rojo=1"
    else:
        assert not {"traceparent", "tracestate"} & set(headers)


@pytest.mark.needs("prometheus")
def test_a_prometheus_server_scrapes_both_processes(tmp_path: Path) -> None:
    (tmp_path / "farthing.toml").write_text(
        SIMULATED + '[budgets.all]\nlimit = "5/month"\nwhere = "team=search"\n'
    )
    made = key(tmp_path)["key"]
    with up(tmp_path) as started:
        send_all(started.gateway, [call(made, f"{n}") for n in range(5)])
        send_all(started.gateway, [call(made, "x", temperature=0)])
        send_all(started.gateway, [call(made, "x", temperature=0), call("fk_nobody")])
        for each in (started.gateway, started.office):
            checked = subprocess.run(
                ["promtool", "check", "metrics"], input=page(each), text=True, capture_output=True,
                check=False,
            )  # fmt: skip
            assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
        with prometheus(tmp_path, started.gateway, started.office) as ask:
            eventually(lambda: ask('sum(farthing_calls_total{status="200"})') == 7)
            eventually(lambda: ask("sum(up)") == 2)
            assert ask('farthing_calls_total{cache="hit"}') == 1
            assert ask('farthing_refusals_total{code="invalid_key"}') == 1
            assert ask('farthing_attempts_total{provider="simulator",status="ok"}') == 6
            assert ask("farthing_budget_limit_usd") == 5
            spent, settled = ask("sum(farthing_cost_usd_total)"), ask("farthing_budget_settled_usd")
            assert spent == pytest.approx(settled)
            assert spent > 0
            assert ask("sum(farthing_call_duration_seconds_count)") == 8
            assert ask("farthing_first_byte_seconds_count") == 6
            assert ask("farthing_added_seconds_count") == 6
            assert ask("farthing_cache_entries") == 1
            assert ask("farthing_journal_unsynced_seconds") < 1
            assert ask('farthing_office_chore_runs_total{chore="call log",outcome="done"}') > 0


@contextmanager
def prometheus(folder: Path, *targets: str) -> Iterator[Any]:
    """A server that scrapes every second; asked for the one value of a query, -1 where none is."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"
    listed = json.dumps([each.removeprefix("http://") for each in targets])
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n"
        f"  - job_name: farthing\n    static_configs: [{{targets: {listed}}}]\n"
    )
    command = ["prometheus", f"--config.file={folder}/prometheus.yml"]
    command += [f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address={place}"]
    with (folder / "prometheus.log").open("wb") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)

    def ask(query: str) -> float:
        with urlopen(f"http://{place}/api/v1/query?query={quote(query)}", timeout=10) as answer:
            found = json.load(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else -1.0

    try:
        eventually(lambda: answers(place))
        yield ask
    finally:
        running.terminate()
        running.wait(20)


def answers(place: str) -> bool:
    try:
        with urlopen(f"http://{place}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
