"""The pages in docs name what exists, and call planned what does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EQUALITIES = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").partition("## Equalities")[2]
NUM_EQUALITIES = 13


@pytest.mark.parametrize("number", range(1, NUM_EQUALITIES + 1))
def test_the_table_of_equalities_is_true(number):
    row = re.search(rf"^\| {number} \|.*$", EQUALITIES, re.MULTILINE)
    assert row, f"docs/architecture.md has no row for equality {number}"
    existing = {f"tests/equalities/{path.name}" for path in (ROOT / "tests/equalities").glob(f"test_{number:02}_*.py")}
    named = set(re.findall(r"tests/equalities/\w+\.py", row[0]))
    assert named == existing, f"docs/architecture.md names {named or 'no test'}; there is {existing or 'none'}"
    assert ("planned:" in row[0]) is not bool(existing), "a row names its test, or says that it is planned"


@pytest.mark.parametrize("page", sorted(path.name for path in (ROOT / "docs").glob("*.md")))
def test_paths_on_a_page_exist(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    paths = re.findall(r"`((?:vl2|tests|docs|examples)/[\w/.-]+)`", text)
    links = [f"docs/{link}" for link in re.findall(r"\]\(([\w/.-]+\.md)\)", text)]
    missing = [path for path in (*paths, *links) if not (ROOT / path).exists()]
    assert not missing, f"docs/{page} names what does not exist: {missing}"
