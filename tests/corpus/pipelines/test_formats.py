"""Rows as the readers of published sets give them go through the steps of their pipelines."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from tests.corpus.sources.made import picture, usable, write, write_parquet
from tests.corpus.sources.test_boxed_sources import coco
from tests.corpus.sources.test_page_sources import waveui
from tests.corpus.sources.test_table_sources import pubtabnet
from tests.corpus.sources.test_text_sources import obelics
from vl2.core.sample import BoxesPart, ImagePart, Sample
from vl2.corpus.ingest import ingest
from vl2.corpus.source import Source
from vl2.corpus.step import is_kept, text_of
from vl2.corpus.steps import STEPS
from vl2.data.faults import RowError


def through(step: str, rows: list[Sample], **settings) -> list[Sample]:
    """Return what a step makes of rows of a source."""
    kind = STEPS[step]
    ready = [ingest(row, Source(name="made", path="", licence="MIT")) for row in rows]
    return kind.build(kind.settings(**settings)).run(ready)


def test_coco_is_asked_for_and_crowds_are_not_denied(tmp_path):
    for number in (9, 10):
        write(tmp_path / f"{number:06d}.png", picture(number))
    rows = usable("coco", write(tmp_path / "instances.json", coco()))
    denied: set[str] = set()
    for seed in range(30):
        made = through("locate", rows, classes=("coco",), absent_share=0.8, chinese_share=0.0, seed=seed)
        assert any(map(is_kept, made))
        for row in filter(is_kept, made):
            labels = {item.label for item in row.objects}
            for question, answer in zip(row.messages[::2], row.messages[1::2], strict=True):
                asked = next(part.label for part in question.parts if isinstance(part, BoxesPart))
                if isinstance(answer.parts[0], BoxesPart):
                    assert asked in labels and asked != "person"  # a crowd has no box of its own
                elif "dog" in labels:
                    denied.add(asked)
    assert len(denied) > 20 and not denied & {"person", "dog", "hot dog"}


def test_waveui_asks_by_instruction_and_name(tmp_path):
    rows = usable("waveui", write_parquet(tmp_path / "a.parquet", [waveui()]))
    (made,) = through("gui", rows)
    assert is_kept(made) and made.messages[1].parts[0].label == "close button"
    assert "Close the window" in text_of(made, ("user",))


def test_obelics_is_learned_after_every_picture(tmp_path):
    here = "https://x/here.jpg"
    write(tmp_path / f"{hashlib.sha256(here.encode()).hexdigest()}.jpg", picture(1))
    pieces = ("An introduction of five words.", here, "What one sees in the middle.", here, "And how it ends.")
    rows = usable("obelics", write_parquet(tmp_path / "a.parquet", [obelics(*pieces)]))
    (made,) = through("interleave", rows)
    assert is_kept(made) and len(made.images) == 2
    said = [text_of(made, ("assistant",)).split("\n")[0].strip(), text_of(made, ("assistant",)).split("\n")[-1].strip()]
    assert said == ["What one sees in the middle.", "And how it ends."]
    assert sum(isinstance(part, ImagePart) for turn in made.messages for part in turn.parts) == 2


def test_pubtabnet_keeps_its_cells(tmp_path):
    write(tmp_path / "train/PMC1_001_00.png", picture())
    rows = usable("pubtabnet", write(tmp_path / "tables.jsonl", (pubtabnet(),)))
    (made,) = through("table_code", rows)
    assert is_kept(made) and made.provenance["cells"] == made.messages[1].parts[0].text.count("</td>")


def test_a_cell_of_a_notebook_is_run_with_those_before_it(tmp_path):
    plot = [
        "plt.figure(figsize=(3, 2))\n",
        "plt.plot(heights)\n",
        "plt.title('a')\n",
        "plt.xlabel('b')\n",
        "plt.show()",
    ]
    figure = {"output_type": "display_data", "data": {"image/png": base64.b64encode(picture()).decode()}}
    cells = [{"cell_type": "code", "source": "import matplotlib.pyplot as plt\nheights = [1, 3, 2]", "outputs": []},
             {"cell_type": "code", "source": plot, "outputs": [figure]}]  # fmt: skip
    write(tmp_path / "books/a.ipynb", json.dumps({"nbformat": 4, "cells": cells, "metadata": {}}))
    rows = usable("notebooks", tmp_path / "books")
    (made,) = through("plot_code", rows, likeness=0.0)
    assert is_kept(made) and made.messages[1].parts[0].text.startswith("```python\nimport matplotlib")
    (alone,) = through("plot_code", rows, likeness=0.0, code_before=False)
    assert alone.decision["reason"] == "code that raises NameError"


def test_formulas_are_checked(tmp_path):
    rows = [{"image": {"bytes": picture(), "path": None}, "text": text} for text in (r"\frac{a}{b}", r"\frac{a}{b")]
    made = through("transcribe", usable("latex_ocr_parquet", write_parquet(tmp_path / "a.parquet", rows)), kind="latex")
    assert [is_kept(row) for row in made] == [True, False]


def test_a_row_without_what_a_step_needs_is_a_reason_and_no_crash():
    """Every step that changes rows takes one that holds nothing at all."""
    bare = Sample("a", (), provenance={"source": "a", "source_id": "a", "licence": "MIT", "parents": [], "images": []})
    settings = {"service": "nowhere.yaml", "sampling": {"model": "pocket"}}
    needed = {"share": {"share": 0.5}, "draw_lines": {"forms": {"word": 1.0}}}
    for name, kind in STEPS.items():
        if kind.build is None or kind.gathering is not None:
            continue
        taught = {"service", "sampling"} <= set(kind.settings.__dataclass_fields__)
        if taught or name in ("benchmark", "decide", "read_text", "nsfw"):
            continue
        (made,) = kind.build(kind.settings(**needed.get(name, {}))).run([bare])
        assert is_kept(made) or made.decision["reason"], name
    for name in ("recaption", "regenerate", "clean_ocr", "make_questions"):
        kind = STEPS[name]
        with pytest.raises(RowError):
            kind.settings(**settings).asks(bare)
    for name in ("writing", "find_claims"):
        assert STEPS[name].settings(**settings).asks(bare) == []
