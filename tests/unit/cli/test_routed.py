"""A route to what nobody serves is told wherever a policy is set, applied or examined."""

import json

import pytest

from tests.journeys.commands import farthing_here

PROVIDERS = """
[providers.acme]
kind = "openai"
api_key = "env:ACME_KEY"
models = ["gpt-4o-mini", "gpt-5*"]

[providers.mistral]
kind = "mistral"
api_key = "env:MISTRAL_KEY"
"""
POLICY = """
[[route]]
from = "gpt-4o"
to = "gpt-4o-mini"

[[route]]
from = "gpt-4*"
to = "gpt-9"

[[fallback]]
from = "gpt-5*"
to = ["acme/gpt-5", "acme/gpt-7", "mistral/anything"]
"""
TOLD = [
    "[[route]] entry 2: no provider serves 'gpt-9'",
    "[[fallback]] entry 1: no provider serves 'acme/gpt-7'",
]


@pytest.fixture
def run(tmp_path):
    (tmp_path / "farthing.toml").write_text(PROVIDERS)
    (tmp_path / "policy.toml").write_text(POLICY.replace("gpt-9", "mistral/gpt-9"))
    (tmp_path / "bad.toml").write_text(POLICY.replace('"mistral/anything"', '"gpt-5-mini"'))
    (tmp_path / "whole.toml").write_text(PROVIDERS.replace('kind = "mistral"', "") + POLICY)

    def run(*arguments):
        return farthing_here(*arguments, folder=tmp_path)

    return run


@pytest.fixture
def listing(tmp_path, run):
    """Every provider lists its models: so 'gpt-9' is served by none."""
    text = PROVIDERS + 'models = ["mistral-large"]\n'
    (tmp_path / "farthing.toml").write_text(text)
    (tmp_path / "whole.toml").write_text(text + POLICY)
    return run


def test_setting_a_policy_says_which_rule_which_model_and_what_to_do(listing):
    done = listing("policy", "set", "bad.toml")
    assert done.returncode == 0
    assert "Version 1 is in force" in done.stdout
    lines = done.stderr.splitlines()
    assert [line.partition(", so")[0] for line in lines] == [
        f"farthing: warning: {told}" for told in TOLD
    ]
    assert "go where they went before" in lines[0]
    assert all("Add it to the models of a provider" in line for line in lines)
    listed = json.loads(listing("policy", "set", "bad.toml", "--json").stdout)["warnings"]
    assert len(listed) == len(TOLD)


def test_what_some_provider_serves_is_no_warning(run):
    """One that lists no models takes any that nobody else lists."""
    done = run("policy", "set", "policy.toml")
    assert "gpt-9" not in done.stderr
    assert "anything" not in done.stderr
    assert "'acme/gpt-7'" in done.stderr


def test_applying_a_file_says_it_and_a_dry_run_too(listing):
    for more in ([], ["--dry-run"]):
        done = listing("config", "apply", "whole.toml", *more)
        assert all(told in done.stderr for told in TOLD), done.stderr
    told = json.loads(listing("config", "apply", "whole.toml", "--json").stdout)["warnings"]
    assert [each.partition(", so")[0] for each in told][:2] == TOLD


def test_doctor_says_it(listing, monkeypatch):
    monkeypatch.setenv("ACME_KEY", "x")
    monkeypatch.setenv("MISTRAL_KEY", "x")
    listing("policy", "set", "bad.toml")
    findings = json.loads(listing("doctor", "--json").stdout)
    (found,) = [each for each in findings if each.get("check") == "policy"]
    assert found["state"] == "warning"
    assert TOLD[0] in found["found"]
    assert "farthing policy set" in found["fix"]


def test_the_demo_has_the_simulators_models(tmp_path):
    (tmp_path / "policy.toml").write_text(
        '[[route]]\nfrom = "sim-large"\nto = "sim-small"\n[[route]]\nfrom = "x"\nto = "gpt-9"\n'
    )
    done = farthing_here("policy", "set", "policy.toml", folder=tmp_path)
    assert done.stderr.count("warning") == 1
    assert "entry 2: no provider serves 'gpt-9'" in done.stderr
