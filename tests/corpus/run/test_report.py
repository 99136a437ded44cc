"""The page shows what became of the rows, and nothing that a row says is more than text on it."""

from __future__ import annotations

import json
import random
import re
import tracemalloc
from html.parser import HTMLParser

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.corpus.run.sources import recipe_of, silent
from vl2.cli import app
from vl2.core.errors import VL2Error
from vl2.core.sample import Message, Sample, TextPart
from vl2.corpus import report
from vl2.corpus.histogram import to_svg
from vl2.corpus.look import Fields, look_at
from vl2.corpus.report import write_report
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.spread import MOST_VALUES, Spread
from vl2.corpus.tar import pack

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
    return write_report([out], out / "report.html", 4).read_text(encoding="utf-8")


def test_the_page_shows_steps_reasons_rows_and_pictures(sources, tmp_path):
    page = page_of(sources, tmp_path / "run")
    tags = Tags(page).found
    for told in ("14 of 22 rows kept", "5 length.answer_characters above 40", "an image cannot be read", "not JSON"):
        assert told in page
    assert re.search(r"MIT</td><td>drawn</td><td class=\"n\">9<", page)
    pictures = [attributes["src"] for tag, attributes in tags if tag == "img"]
    assert pictures and all(source.startswith("data:image/jpeg;base64,") for source in pictures)
    assert sum(tag == "svg" for tag, _ in tags) == 5  # one a field of quality
    marks = [str(attributes.get("class")) for tag, attributes in tags if tag == "span"]
    assert all(any(told.startswith(f"mark {kind} ") for told in marks) for kind in ("said", "annotated"))


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


def test_several_runs_are_one_page_with_a_table_first(sources, tmp_path):
    ask = Message("user", (TextPart("Count."),))
    answers = [Message("assistant", (TextPart(f"{number} 个苹果在桌子上。"),)) for number in range(6)]
    texts = [Sample(str(number), (ask, answer)) for number, answer in enumerate(answers)]
    (tmp_path / "texts.tar").write_bytes(pack(texts))
    chinese = Source(name="texts", path=str(tmp_path / "texts.tar"), licence="CC0-1.0")
    for name, source, steps in (("first", sources[0], ()), ("second", chinese, ({"use": "tokens"},))):
        run_recipe(recipe_of((source,), tmp_path / name, steps=steps, write=("webdataset",)), LocalExecutor(), silent)
    (tmp_path / "none").mkdir()
    folders = [str(tmp_path / name) for name in ("first", "none", "second")]
    told = CliRunner().invoke(app, ["corpus", "report", *folders])
    assert told.exit_code == 0 and re.search(r"Left out: .*none: no corpus run here", told.stderr)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    lines = re.findall(r"<tr.*?</tr>", page)[1:4]
    cells = [re.sub(r"(<[^>]+>)+", "|", line).strip("|").split("|") for line in lines]
    tokens = look_at(tmp_path / "second", 0).tokens["all"]
    assert cells[0][:8] == ["first", "9", "9", "100%", "18", "–", "–", "–"] and "MIT" in cells[0]
    assert cells[1][:9] == ["second", "6", "6", "100%", "0", f"{tokens:,}", f"{tokens:,}", "0", "zh 100%"]
    assert cells[2][:5] == ["together", "15", "15", "100%", "18"]
    assert page.count("<article>") == 8


def test_a_page_has_its_limit(sources, tmp_path, monkeypatch):
    whole = page_of(sources, tmp_path / "run")
    monkeypatch.setattr(report, "MOST_BYTES", 5_000)
    part = write_report([tmp_path / "run"], tmp_path / "part.html", 4).read_text(encoding="utf-8")
    assert 0 < part.count("<article>") < whole.count("<article>")
    assert "More rows are left out" in part and "More rows are left out" not in whole


def test_a_run_that_is_not_finished_has_no_report(sources, tmp_path):
    page_of(sources, tmp_path / "run")
    (tmp_path / "run" / "stage-0" / "manifest.jsonl").unlink()
    with pytest.raises(VL2Error, match="is not finished"):
        write_report([tmp_path / "run"], tmp_path / "page.html", 4)


def spread_of(pairs) -> Spread:
    spread = Spread()
    for key, value in pairs:
        spread.offer(key, value)
    return spread


def test_values_are_all_there_until_there_are_many():
    few = spread_of((random.getrandbits(64), number) for number in range(MOST_VALUES))
    assert sorted(few.values()) == list(range(MOST_VALUES))


def test_of_many_values_a_fair_sample_stays_in_any_order():
    rng = random.Random(0)
    pairs = [(rng.getrandbits(64), rng.random() ** 2) for _ in range(100_000)]
    spread = spread_of(pairs)
    rng.shuffle(pairs)
    assert sorted(spread.values()) == sorted(spread_of(pairs).values())
    everything = np.array([value for _, value in pairs], np.float32)
    assert len(spread.values()) == MOST_VALUES and spread.num_values == len(pairs)
    assert (np.float32(spread.least), np.float32(spread.most)) == (everything.min(), everything.max())
    shares = [np.histogram(values, 10, (0, 1))[0] / len(values) for values in (spread.values(), everything)]
    assert np.abs(shares[0] - shares[1]).max() < 0.015  # three standard errors of a share of 0.3


def test_bars_count_rows_and_not_the_sample():
    rng = random.Random(1)
    kept = spread_of((rng.getrandbits(64), 0.0) for _ in range(4 * MOST_VALUES))
    fields = Fields(kept, spread_of((rng.getrandbits(64), 1.0) for _ in range(MOST_VALUES)))
    heights = [float(found) for found in re.findall(r'height="([\d.]+)"', to_svg("field", fields))]
    assert heights == [72.0, 18.0]


def test_memory_does_not_grow_with_rows():
    def peak(number: int) -> int:
        tracemalloc.start()
        spread_of((row * 0x9E3779B97F4A7C15 % 2**64, row) for row in range(number)).values()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(200_000) < 1.2 * peak(4 * MOST_VALUES)
