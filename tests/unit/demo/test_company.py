"""docs/demo.md describes the company that the demo draws."""

import re
from pathlib import Path

from farthing.demo.build import IMPORTED
from farthing.demo.company import ALWAYS, CUSTOMERS, ENVIRONMENTS, FEATURES, NIGHTLY

DOCUMENT = (Path(__file__).parents[3] / "docs" / "demo.md").read_text("utf-8")
HOURS = {ALWAYS: "around the clock", NIGHTLY: "01:00 to 06:00 UTC"}


def rows(heading):
    section = DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]


def described(feature):
    turns = f", up to {feature.turns} turns" if feature.turns > 1 else ""
    when = HOURS.get(feature.hours, "office hours") + turns
    share = f"{feature.share / 10:g} %"
    return [feature.team, feature.project, feature.name, feature.model.asked, share, when]


def test_the_document_has_every_feature_as_it_is():
    assert rows("Who calls what") == [described(feature) for feature in FEATURES]


def test_shares_are_per_mille_of_the_calls():
    assert sum(feature.share for feature in FEATURES) == 1000


def test_the_document_counts_right():
    words = {5: "five", 6: "Six", 7: "seven", 8: "eight", 3: "three", 10: "ten"}
    assert f"{words[len({f.team for f in FEATURES})]} teams" in DOCUMENT
    assert f"{words[len({f.project for f in FEATURES})]} projects" in DOCUMENT
    assert f"{words[len(FEATURES)]} features" in DOCUMENT
    assert f"{words[len({f.model for f in FEATURES})]} models" in DOCUMENT
    assert f"{words[len(CUSTOMERS)]} customers" in DOCUMENT
    assert re.search(rf"{words[len(ENVIRONMENTS)]}\s+environments", DOCUMENT)


def test_the_document_says_which_files_are_imported():
    said = {
        name: row[2] == "yes"
        for row in rows("The files")
        for name in re.findall(r"`(\w+)/", row[0])
    }
    assert {name for name, imported in said.items() if imported} == set(IMPORTED)
    assert said["logs"] is False
