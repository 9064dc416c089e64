"""Every golden source is read as the YAML beside it says, and by the importer of its folder."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
import yaml

from farthing.ledger.draft import Draft, Problem
from farthing.ledger.importer import Options
from tests.sources import CASES, GOLDEN, golden, importer, source

NAMES = sorted({case.partition("/")[0] for case in CASES})


def plain(row: Draft | Problem) -> dict[str, Any]:
    """A row as YAML has it: what was said, amounts as text."""
    said = {name: value for name, value in msgspec.structs.asdict(row).items() if value is not None}
    said = {k: format(v, "f") if isinstance(v, Decimal) else v for k, v in said.items()}
    return said if isinstance(row, Draft) else {"problem": said}


@pytest.mark.parametrize("case", CASES)
def test_a_golden_source_reads_as_its_yaml_says(case: str) -> None:
    expected = yaml.safe_load((GOLDEN / f"{case}.yaml").read_text("utf-8"))
    rows = importer(case.partition("/")[0]).read(golden(case), Options())
    assert [plain(row) for row in rows] == expected  # type: ignore[union-attr]


@pytest.mark.parametrize("case", CASES)
def test_a_golden_source_is_recognised_by_its_own_importer_first(case: str) -> None:
    scores = {name: importer(name).recognises(golden(case)) for name in NAMES}
    assert max(scores, key=lambda name: scores[name]) == case.partition("/")[0], scores
    assert scores[case.partition("/")[0]] > 0.7


@pytest.mark.parametrize("case", CASES)
def test_no_row_carries_an_inexact_number(case: str) -> None:
    for row in importer(case.partition("/")[0]).read(golden(case), Options()):  # type: ignore[union-attr]
        assert not any(isinstance(value, float) for value in msgspec.structs.astuple(row))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "foreign",
    ['{"a": 1}\n', "day,amount\n2026-10-01,1\n", "PAR1\x00\x00", "", '{"model": "x", "tokens": 3}'],
)
def test_what_is_not_ours_is_not_recognised(name: str, foreign: str) -> None:
    assert importer(name).recognises(source(foreign)) < 0.3


def test_every_format_has_its_section_in_the_docs() -> None:
    docs = (GOLDEN.parents[2] / "docs" / "importers.md").read_text("utf-8")
    headings = {line.removeprefix("## ") for line in docs.splitlines() if line.startswith("## ")}
    for name in NAMES:
        [row] = [line for line in docs.splitlines() if line.startswith(f"| `{name}` |")]
        anchor = row.rpartition("(#")[2].partition(")")[0]
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, name
