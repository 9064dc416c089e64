"""A secret is looked up where the settings say, again when it changes, and never shown."""

import os

import pytest

from farthing.access.secret import Secret, Secrets
from farthing.domain.errors import Refused


def test_a_variable_is_read(tmp_path):
    assert Secret("env:ACME_KEY", tmp_path, {"ACME_KEY": "s3cret"}).value == "s3cret"


def test_printing_shows_the_reference(tmp_path):
    secret = Secret("env:ACME_KEY", tmp_path, {"ACME_KEY": "s3cret"})
    assert f"{secret} {secret!r}" == "Secret('env:ACME_KEY') Secret('env:ACME_KEY')"


def test_a_file_is_read_again_when_it_changes(tmp_path):
    file = tmp_path / "key"
    file.write_text("old\n")
    secret = Secret("file:key", tmp_path, {})
    assert secret.value == "old"
    assert not secret.refresh()
    file.write_text("new\n")
    os.utime(file, ns=(1, 1))
    assert secret.refresh()
    assert secret.value == "new"


@pytest.mark.parametrize("half", [b"", b"two\nlines", b"\xff"])
def test_a_rotation_half_way_keeps_the_last_value(tmp_path, half):
    file = tmp_path / "key"
    file.write_text("old")
    secret = Secret("file:key", tmp_path, {})
    file.write_bytes(half)
    os.utime(file, ns=(1, 1))
    assert not secret.refresh()
    assert secret.value == "old"
    file.unlink()
    assert not secret.refresh()
    file.write_text("new")
    assert secret.refresh()
    assert secret.value == "new"


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("env:NONE", r"env:NONE.*export NONE="),
        ("env:EMPTY", "empty"),
        ("env:LINES", "single line"),
        ("file:none", "file:none.*Check the path"),
        ("file:.", "Check the path"),
    ],
)
def test_what_is_not_there_is_named_with_the_fix(tmp_path, reference, says):
    with pytest.raises(Refused, match=says):
        Secret(reference, tmp_path, {"EMPTY": " ", "LINES": "a\r\nx-evil: 1"})


def test_a_raw_secret_is_refused_without_repeating_it(tmp_path):
    with pytest.raises(Refused) as refused:
        Secret("sk-raw", tmp_path, {})
    assert "sk-raw" not in str(refused.value)


def test_all_secrets_of_a_file_follow_their_files(tmp_path):
    (tmp_path / "key").write_text("old")
    secrets = Secrets(tmp_path, {"TOKEN": "t"})
    asked = [secrets.of(each) for each in ("file:key", "env:TOKEN", "plain", None)]
    assert [each() for each in asked] == ["old", "t", "plain", ""]
    assert secrets.refresh() == []
    (tmp_path / "key").write_text("new")
    os.utime(tmp_path / "key", ns=(1, 1))
    assert secrets.refresh() == ["file:key"]
    assert [each() for each in asked] == ["new", "t", "plain", ""]
