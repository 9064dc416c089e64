"""The user's own prices come first, to whom and when they are agreed."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from farthing.domain.errors import Refused
from farthing.domain.money import Money
from farthing.domain.usage import Usage
from farthing.prices.book import Book, Priced, Unpriced

MILLION = Usage(input_fresh=1_000_000)
ON = date(2026, 8, 21)


def book(folder: Path, text: str) -> Book:
    (folder / "farthing.toml").write_text(text)
    return Book.load(folder)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(Refused) as refused:
        book(folder, text)
    assert "farthing.toml" in str(refused.value)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_folder_without_a_config_has_list_prices(tmp_path):
    paid = Book.load(tmp_path).price("openai", "gpt-4o", MILLION, ON)
    assert paid.list == paid.contracted == paid.effective == Money.of("2.5")


def test_a_discount_leaves_the_list_price_as_it_is(tmp_path):
    deal = book(tmp_path, '[[prices]]\nprovider = "openai"\ndiscount = "17%"\n')
    paid = deal.price("openai", "gpt-4o", MILLION, ON)
    assert (paid.list, paid.contracted) == (Money.of("2.5"), Money.of("2.075"))
    assert paid.effective == paid.contracted


def test_a_discount_is_exact_where_no_picodollar_would_be(tmp_path):
    deal = book(tmp_path, '[[prices]]\nmodel = "gpt-4o-mini"\ndiscount = "33.333333%"\n')
    row = deal.rates("openai", "gpt-4o-mini", contract=1)[0]
    assert row.list["input_fresh"] == 150_000_000_000  # attodollars
    assert row.contracted["input_fresh"] == 100_000_000_500


def test_an_absolute_price_replaces_only_what_it_names(tmp_path):
    deal = book(tmp_path, '[[prices]]\nmodel = "gpt-4o"\ninput_mtok = "2"\n')
    usage = Usage(input_fresh=1_000_000, cache_read=1_000_000, output_visible=1_000_000)
    paid = deal.price("openai", "gpt-4o", usage, ON)
    assert paid.list == Money.of("13.75")
    assert paid.contracted == Money.of("13.25")


def test_an_absolute_price_makes_an_unknown_model_known(tmp_path):
    deal = book(tmp_path, '[[prices]]\nmodel = "our-*"\ninput_mtok = 1\noutput_mtok = "0.25"\n')
    paid = deal.price("in-house", "our-llama", Usage(1_000_000, output_visible=1_000_000), ON)
    assert paid.list == paid.contracted == Money.of("1.25")
    assert deal.price("in-house", "their-llama", MILLION, ON) == Unpriced("unknown_provider")


def test_a_discount_on_an_unknown_model_stays_unpriced(tmp_path):
    deal = book(tmp_path, '[[prices]]\ndiscount = "10%"\n')
    assert deal.price("openai", "zorg-9", MILLION, ON) == Unpriced("unknown_model")


def test_the_first_entry_that_matches_wins(tmp_path):
    text = """
        [[prices]]
        model = "gpt-4o"
        team = "search"
        discount = "50%"
        [[prices]]
        model = "gpt-*"
        discount = "10%"
    """
    deal = book(tmp_path, text)
    search = deal.price("openai", "gpt-4o", MILLION, ON, who={"team": "search"})
    others = deal.price("openai", "gpt-4o", MILLION, ON, who={"team": "ads"})
    assert (search.contracted, others.contracted) == (Money.of("1.25"), Money.of("2.25"))
    assert [contract.number for contract in deal.contracts_for("openai", "gpt-4o")] == [1, 2]


def test_a_scope_that_is_not_told_does_not_match(tmp_path):
    deal = book(tmp_path, '[[prices]]\nkey = "*"\ndiscount = "50%"\n')
    assert deal.price("openai", "gpt-4o", MILLION, ON).contracted == Money.of("2.5")
    paid = deal.price("openai", "gpt-4o", MILLION, ON, who={"key": "prod-1"})
    assert paid.contracted == Money.of("1.25")


def test_a_contract_holds_from_its_first_day_until_its_last(tmp_path):
    text = '[[prices]]\ndiscount = "50%"\nsince = 2026-01-01\nuntil = "2026-07-01"\n'
    deal = book(tmp_path, text)

    def contracted(*moment: int) -> Money:
        return deal.price("openai", "gpt-4o", MILLION, datetime(*moment, tzinfo=UTC)).contracted

    assert contracted(2025, 12, 31, 23, 59) == Money.of("2.5")
    assert contracted(2026, 1, 1) == Money.of("1.25")
    assert contracted(2026, 6, 30, 23, 59) == Money.of("1.25")
    assert contracted(2026, 7, 1) == Money.of("2.5")


def test_a_contract_names_the_provider_as_logs_or_price_lists_do(tmp_path):
    deal = book(tmp_path, '[[prices]]\nprovider = "azure"\ndiscount = "50%"\n')
    paid = deal.price("az.ai.openai", "gpt-4o", MILLION, ON)
    assert paid.contracted == Money.of("1.25")


def test_an_account_of_ones_own_name_is_priced_as_configured(tmp_path):
    text = """
        [providers.eu-azure]
        priced_as = "azure"
        [[prices]]
        provider = "eu-*"
        discount = "50%"
    """
    paid = book(tmp_path, text).price("eu-azure", "gpt-4o", MILLION, ON)
    assert (paid.list, paid.contracted) == (Money.of("2.5"), Money.of("1.25"))


def test_a_price_has_an_id_of_its_content(tmp_path):
    plain, deal = Book.load(tmp_path), book(tmp_path, '[[prices]]\ndiscount = "10%"\n')
    at_list = plain.price("openai", "gpt-4o", MILLION, ON)
    contracted = deal.price("openai", "gpt-4o", MILLION, ON)
    assert isinstance(at_list, Priced)
    assert at_list.price_ids != contracted.price_ids
    assert (
        at_list.price_ids
        == Book.load(tmp_path / "nowhere").price("openai", "gpt-4o", MILLION, ON).price_ids
    )


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("discount = 0.17", 'discount = "17%"'),
        ('discount = "17"', 'discount = "17%"'),
        ('discount = "170%"', "100%"),
        ('discount = "17%"\ninput_mtok = "1"', "one of them"),
        ('model = "x"', "one of them"),
        ("input_mtok = 0.5", 'input_mtok = "0.5"'),
        ('input_mtok = "-1"', "input_mtok"),
        ('input_mtok = "NaN"', "input_mtok"),
        ("input_mtok = true", "input_mtok"),
        ('input_mtoks = "1"', "Did you mean `input_mtok`?"),
        ('cache_audio_read_mtok = "1"', "input_audio_mtok"),
        ('discount = "1%"\nsince = "soon"', "since = 2026-10-01"),
        ('discount = "1%"\nsince = 2026-02-01\nuntil = 2026-01-01', "not after"),
        ('discount = "1%"\nteam = 3', "team"),
    ],
)
def test_a_wrong_entry_is_refused_with_the_fix(tmp_path, entry, says):
    message = refusal(tmp_path, f'[[prices]]\ndiscount = "1%"\n[[prices]]\n{entry}\n')
    assert "entry 2" in message
    assert says in message


@pytest.mark.parametrize("limit", ["context_window", "max_output_tokens"])
@pytest.mark.parametrize("value", ['"8k"', "0", "-1", "1.5", "true"])
def test_a_limit_is_a_whole_number_of_tokens(tmp_path, limit, value):
    told = refusal(tmp_path, f"[[prices]]\n{limit} = {value}\n")
    assert f"`{limit}` is" in told
    assert f"{limit} = 8192" in told
