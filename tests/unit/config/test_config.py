"""Settings come from one file, and what is misspelt is named."""

from __future__ import annotations

import pytest

from farthing.config import Rule, Settings
from farthing.domain.errors import Refused


def test_no_file_means_the_defaults(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Settings.load(tmp_path / "none") == Settings()


def test_the_workspaces_file_wins_over_the_current_folders(tmp_path, monkeypatch):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    (tmp_path / "farthing.toml").write_text('timezone = "Asia/Tokyo"')
    monkeypatch.chdir(tmp_path)
    assert Settings.load(workspace).timezone == "Asia/Tokyo"
    (workspace / "farthing.toml").write_text('timezone = "Europe/Berlin"')
    assert Settings.load(workspace).timezone == "Europe/Berlin"


def test_a_file_that_is_not_read_is_named(tmp_path, monkeypatch):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    monkeypatch.chdir(tmp_path)
    (workspace / "farthing.toml").touch()
    assert Settings.unread(workspace) is None
    (tmp_path / "farthing.toml").touch()
    assert Settings.unread(workspace) == tmp_path / "farthing.toml"
    assert Settings.unread(tmp_path) is None


def test_certificates_lie_where_the_file_does(tmp_path):
    settings = read(
        tmp_path,
        """
        providers.acme.ca_file = "ca.pem"
        gateway = { tls_cert = "tls/cert.pem", tls_key = "/etc/key.pem" }
        """,
    )
    assert settings.providers["acme"].ca_file == str(tmp_path / "ca.pem")
    assert settings.gateway.tls_cert == str(tmp_path / "tls" / "cert.pem")
    assert settings.gateway.tls_key == "/etc/key.pem"


def test_a_rule_sets_the_owners_it_names():
    assert Rule("model=m", team="search", feature="ask").sets == {
        "team": "search",
        "feature": "ask",
    }


@pytest.mark.parametrize(
    "text",
    [
        "timezon = 'UTC'",
        "timezone = 3",
        "[[allocate]]\nteam = 'a'",
        "= broken",
        "[[allocate]]\nmatch='a=b'\nteem='x'",
    ],
)
def test_a_misspelt_file_is_refused_by_name(tmp_path, text):
    file = tmp_path / "farthing.toml"
    file.write_text(text)
    with pytest.raises(Refused, match=r"farthing\.toml"):
        Settings.read(file)


def read(tmp_path, text):
    (tmp_path / "farthing.toml").write_text(text)
    return Settings.read(tmp_path / "farthing.toml")


def test_a_provider_is_what_the_file_says(tmp_path):
    settings = read(
        tmp_path,
        """
        [providers.acme]
        kind = "openai"
        base_url = "http://127.0.0.1:9000/v1"
        api_key = "env:ACME_KEY"
        models = ["gpt-4o-mini"]
        """,
    )
    acme = settings.providers["acme"]
    assert (acme.kind, acme.models, acme.weight) == ("openai", ("gpt-4o-mini",), 1)


@pytest.mark.parametrize(
    "api_key", ["sk-live-1234", "env:", "env:A B", "file:", "ENV:NAME", "$ACME_KEY", ""]
)
def test_a_key_that_is_no_reference_is_refused_and_not_repeated(tmp_path, api_key):
    with pytest.raises(Refused) as refused:
        read(tmp_path, f'[providers.my-acme]\napi_key = "{api_key}"')
    assert "env:MY_ACME_API_KEY" in str(refused.value)
    assert "1234" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    ["acme.com", "file:///etc", "http://", "http://[::1", "http://a:99999", "http://a?key=1"],
)
def test_an_address_that_cannot_be_called_is_refused(tmp_path, url):
    with pytest.raises(Refused, match="base_url"):
        read(tmp_path, f'[providers.acme]\nbase_url = "{url}"')


def test_a_policys_tables_may_stand_at_the_top(tmp_path):
    apart = read(tmp_path, '[cache]\nmode = "off"\n[policy.retry]\nattempts = 1')
    below = read(tmp_path, '[policy.cache]\nmode = "off"\n[policy.retry]\nattempts = 1')
    assert apart.policy == below.policy == {"cache": {"mode": "off"}, "retry": {"attempts": 1}}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("timezon = 'UTC'", "timezone"),
        ("[offise]", "office"),
        ("[gateway]\nprot = 1", "port"),
        ("[providers.a]\napikey = ''", "api_key"),
        ("[budgets.a]\nlimits = ''", "limit"),
        ("[keys.a]\nteem = ''", "team"),
        ("[[allocate]]\nmatsch = ''", "match"),
    ],
)
def test_what_was_probably_meant_is_said(tmp_path, text, meant):
    with pytest.raises(Refused, match=f"Did you mean `{meant}`"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    "text", ["providers = 1", "providers = [1]", "keys.a = 1", "allocate = 1", "policy = 1"]
)
def test_a_table_of_another_shape_is_refused(tmp_path, text):
    with pytest.raises(Refused, match=r"farthing\.toml"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('otlp = "collector:4318"', "https://host"),
        ('otlp = "http://me:secret@collector:4318"', "has a password"),
        ('otlp = "http://c"\nheaders = { authorization = "Bearer secret" }', "looks like a secret"),
        ('log = "everything"', "log"),
        ('sampling = "half"', "sampling"),
        ('otpl = "http://c"', "Did you mean `otlp`"),
    ],
)
def test_telemetry_that_cannot_be_is_refused_and_no_secret_repeated(tmp_path, text, words):
    (tmp_path / "farthing.toml").write_text(f"[telemetry]\n{text}\n")
    with pytest.raises(Refused, match=words) as caught:
        Settings.load(tmp_path)
    assert "secret@" not in str(caught.value)
    assert "Bearer" not in str(caught.value)
