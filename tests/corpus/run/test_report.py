"""The page shows what became of the rows, and nothing that a row says is more than text on it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from tests.corpus.run.sources import recipe_of, silent
from vl2.corpus.report import write_report
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source

ATTACK = "</p><script>alert(1)</script><img src=x onerror=alert(2)>\"'"


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def page_of(sources, out) -> str:
    run_recipe(recipe_of(sources, out, write=("webdataset",)), LocalExecutor(), silent)
    return write_report(out, out / "report.html", 4).read_text(encoding="utf-8")


def test_the_page_shows_steps_reasons_rows_and_pictures(sources, tmp_path):
    page = page_of(sources, tmp_path / "run")
    tags = Tags(page).found
    for told in ("14 of 22 rows kept", "5 length.answer_characters above 40", "an image cannot be read", "not JSON"):
        assert told in page
    assert re.search(r"MIT</td><td>drawn</td><td class=\"n\">9<", page)
    pictures = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert pictures and all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert sum(tag == "svg" for tag, _ in tags) == 5  # one a field of quality


def test_hostile_rows_stay_text(tmp_path):
    lines = tmp_path / "lines.jsonl"
    turns = [{"from": "human", "value": ATTACK}, {"from": "gpt", "value": ATTACK}]
    own = {"messages": [{"role": "user", "parts": [{"type": "boxes", "label": ATTACK, "boxes": [[1, 2, 3, 4]]}]}]}
    told = {
        "provenance": {"licence": ATTACK, "source_id": ATTACK},
        "decision": {"keep": False, "step": ATTACK, "reason": ATTACK},
    }
    records = [{"id": ATTACK, "conversations": turns}, {"id": ATTACK, **own, **told}]
    lines.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    page = page_of((Source(name=ATTACK, path=str(lines), licence=ATTACK),), tmp_path / "run")
    tags = Tags(page).found
    assert not [tag for tag, attributes in tags if tag == "script" or any(name.startswith("on") for name in attributes)]
    assert not [attributes for tag, attributes in tags if tag == "img"]
    assert "&lt;script&gt;" in page and "default-src 'none'" in page
