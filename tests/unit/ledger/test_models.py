"""Two names for one model are found to be one."""

import pytest

from farthing.ledger.models import family, same_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("openai/gpt-4o", "gpt-4o"),
        ("claude-3-5-sonnet-20241022", "claude-3-5-sonnet"),
        ("claude-3-5-sonnet@20241022", "claude-3-5-sonnet"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("gpt-4-0613", "gpt-4"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gpt-4o-mini", "gpt-4o-mini"),
    ],
)
def test_a_family_is_the_name_without_host_and_version(name, expected):
    assert family(name) == expected


def test_names_that_agree_are_kept_with_their_dates():
    names = same_names([["gpt-4o-2024-05-13", "gpt-4o-2024-08-06"]] * 2)
    assert names["gpt-4o-2024-05-13"] == "gpt-4o-2024-05-13"


def test_where_one_side_says_less_both_are_called_by_the_family():
    names = same_names([["gpt-4o", "o3"], ["gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "o3"]])
    assert set(names.values()) == {"gpt-4o", "o3"}


def test_a_model_that_one_side_lacks_keeps_its_name():
    assert same_names([["gpt-4o"], ["o3-2025-04-16"]])["o3-2025-04-16"] == "o3-2025-04-16"
