"""Health, metrics, and what every request passes."""

from __future__ import annotations

import pytest

from tests.unit.api.served import Client, until


def test_it_says_that_it_is_alive(office: Client) -> None:
    assert office.get("/healthz").json == {"alive": True}


def test_it_is_ready_and_tells_how_the_chores_went(office: Client) -> None:
    until(lambda: office.get("/readyz").json["chores"]["compaction"]["done_at"] is not None)
    told = office.get("/readyz").json
    assert (told["ready"], told["error"]) == (True, None)
    assert told["chores"]["compaction"]["error"] is None


def test_prometheus_learns_of_chores_and_of_the_inbox(office: Client) -> None:
    until(lambda: b'runs_total{chore="compaction",outcome="done"} 1.0' in _metrics(office))
    page = _metrics(office)
    assert b"farthing_office_inbox_documents 0.0" in page
    assert b"farthing_office_rows_imported_total 0.0" in page


@pytest.mark.parametrize("host", ["localhost:8788", "127.0.0.1", "[::1]:8788", "LOCALHOST"])
def test_it_goes_by_the_names_of_this_machine(office: Client, host: str) -> None:
    assert office.get("/healthz", host=host).status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:1"])
def test_another_name_for_this_address_is_refused(office: Client, host: str) -> None:
    reply = office.get("/healthz", host=host)
    assert (reply.status, reply.code) == (400, "host_not_allowed")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_another_site_s_page_changes_nothing(office: Client, headers: dict[str, str]) -> None:
    reply = office.send("POST", "/v1/traces", b"", headers)
    assert (reply.status, reply.code) == (403, "cross_origin")


def test_a_page_of_this_origin_may_ask(office: Client) -> None:
    host, port = office.address
    own = {"origin": f"http://{host}:{port}", "sec-fetch-site": "same-origin"}
    assert office.send("POST", "/v1/traces", b"", own).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/v1/traces", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
    ],
)
def test_a_wrong_address_is_answered_in_json(
    office: Client, method: str, path: str, status: int, code: str
) -> None:
    reply = office.send(method, path)
    assert (reply.status, reply.code) == (status, code)
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", ["/healthz", "/nothing"])
def test_every_answer_carries_the_security_headers(office: Client, path: str) -> None:
    headers = office.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers


def _metrics(office: Client) -> bytes:
    return office.get("/metrics").body
