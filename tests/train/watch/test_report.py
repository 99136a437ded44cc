"""The page draws what a run's folder tells, in lines of any time; a hostile folder gives a page or a one-line error."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from tests.train.watch.steps import figures
from vl2.cli import app
from vl2.core.errors import VL2Error
from vl2.model.presets import PRESETS
from vl2.train.watch import Meter, Watcher
from vl2.train.watch.line import LogLine
from vl2.train.watch.report import write_report
from vl2.train.watch.report.chart import Scale, short, thinned, value_scale
from vl2.train.watch.report.curves import Chart, Curve, charts_of, skipped_samples, smoothed
from vl2.train.watch.report.heat import OVER, UNDER, to_png
from vl2.train.watch.report.history import MOST_LOADS, read_history

HOSTILE = '"><script>alert(1)</script><img src=//evil>&amp;\u202e\ud800'


class Outline(HTMLParser):
    """The tags, attributes and texts of a page; what is not closed is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "xlink:href", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def page_of(run: Path, tmp_path: Path) -> tuple[str, Outline]:
    page = write_report(run, tmp_path / "page" / "report.html").read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.tags.count("script") == 1, "its own, whose hash the policy names"
    assert outline.tags.index("script") > outline.tags.index("main")
    assert all(link.startswith("data:image/png;base64,") for link in outline.links), "nothing is fetched"
    return page, outline


def run_of(folder: Path, steps: int = 60) -> Path:
    rng = random.Random(0)
    with Watcher(
        folder, num_steps=80, log_every=2, meter=Meter(config=PRESETS["pocket"], peak_flops=1e12),
        config={"stage": "sft", HOSTILE[:20]: HOSTILE[20:40]}, is_shown=False,
    ) as watch:  # fmt: skip
        for step in range(1, steps + 1):
            load = torch.randint(1, 100, (3, 8), generator=torch.Generator().manual_seed(step))
            watch(
                figures(
                    step, loss=3 / step + rng.random(), eval_loss=1.0 / step if step % 20 == 0 else None,
                    expert_load=load, left_out="the loss is nan" if step == 31 else "", keys=50.0,
                    skipped={"broken": step // 10}, others={"accuracy": step / 100},
                )
            )  # fmt: skip
    return folder


def test_the_page_draws_everything_there_is(tmp_path):
    page, outline = page_of(run_of(tmp_path / "my run"), tmp_path)
    text = " ".join(outline.texts)
    for title in ("Loss", "Learning rate", "Gradient norm", "Tokens a second", "Tiles a second", "MFU", "Wait for data",
                  "Memory", "Balance loss", "MaxVio", "Skipped samples", "Accuracy", "held out", "smoothed", "Settings",
                  "left out: 1", "The latest", "The fullest expert", "Layer 3", "Best held-out loss"):  # fmt: skip
        assert title in text, title
    assert "Step 60 of 80" in text and "my run" in text
    assert page.count('<path class="mark"') == 3, "a spike, on both widths of the loss and on the gradient norm"
    assert "prefers" not in page and "light-dark(" in page and "width=device-width" in page
    assert not re.search(r"\bnan\b|\binf\b", re.sub(r">[^<]*<", "><", page)), "no such coordinates"
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.partition("<title>")[0]


def test_lines_of_pockets_stages_and_of_older_fine_tunings_are_read(tmp_path):
    stage = {"step": 20, "samples": 1920, "seconds": 33.5, "lr_scale": 0.4, "weight": 500.0, "softened": 0,
             "grad_norm": 0.5, "text": 1.5, "coordinates": 0.25, "balance": 1.1, "slots": 0.2,
             "skipped": 3}  # fmt: skip
    tuned = {"step": 2, "num_steps": 9, "loss": 0.7, "accuracy": 0.8, "grad_norm": 1.5, "rate": 2e-3,
             "tokens_per_second": 900.0, "look": {"loss": 0.9, "accuracy": 0.75}, "skipped": {"broken": 1}}  # fmt: skip
    for name, record in (("stage", stage), ("tuned", tuned)):
        (tmp_path / name / "checkpoint").mkdir(parents=True)
        (tmp_path / name / "log.jsonl").write_text(json.dumps(record) + "\n")
        (tmp_path / name / "checkpoint" / "state.json").write_text('{"step": 2, "config": {"seed": 7}}')
    history = read_history(tmp_path / "stage")
    (line,) = history.lines
    assert (line.loss, line.balance_loss, line.supervised_tokens, line.seconds) == (1.75, 1.1, 500.0, 33.5)
    assert line.learning_rates == {"factor of all": 0.4} and line.skipped == {"samples": 3}
    assert {"text": 1.5, "slots": 0.2}.items() <= line.others.items() and line.samples == 1920
    assert history.config == {"seed": 7}
    history = read_history(tmp_path / "tuned")
    (line,) = history.lines
    assert (line.loss, line.eval_loss, line.learning_rates, history.num_steps) == (0.7, 0.9, {"all": 2e-3}, 9)
    assert line.others == {"accuracy": 0.8, "held-out accuracy": 0.75}
    for name in ("stage", "tuned"):
        page_of(tmp_path / name, tmp_path)


def test_a_hostile_folder_gives_a_page_without_its_markup(tmp_path):
    folder = tmp_path / "<b>run"
    folder.mkdir()
    wild = {
        "step": 3, "num_steps": -1, "steps": 1e400, "loss": "much", "grad_norm": 10**400, "tokens": 1e308,
        "eval_loss": True, "learning_rates": {HOSTILE: 1e-3, "b": None}, "skipped": {HOSTILE: 5, "x": "y"},
        "expert_load": [[1, 2], [3]], "spikes": [{"step": 3, "reason": HOSTILE}, 7, {"step": "x"}], HOSTILE: 2.5,
        "others": {"a": 1}, "seconds": float("inf"), "max_violation": [], "data_wait": {},
    }  # fmt: skip
    lines = [b"\xff\xfe", b"[" * 100_000, b"{}", b'{"step": "1"}', b'{"step": -1}', b'{"step": 1e2}', b'{"step": true}',
             b'{"step": 1, "loss": NaN, "grad_norm": -1e29}', json.dumps(wild).encode(),
             b'{"step": 4, "los']  # fmt: skip
    (folder / "log.jsonl").write_bytes(b"\n".join(lines))
    (folder / "run.json").write_text(json.dumps({"num_steps": HOSTILE, "config": {HOSTILE: [HOSTILE] * 1000}}))
    page, outline = page_of(folder, tmp_path)
    assert "8 lines of the log could not be read" in " ".join(outline.texts)
    assert "<b>run" not in page and "<script>alert" not in page and "alert(1)" in page
    assert len(page) < 100_000


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"nothing\n" * 10, b"x" * (3 << 20)])
def test_a_folder_without_a_log_is_one_line(content, tmp_path):
    if content is not None:
        (tmp_path / "log.jsonl").write_bytes(content)
    with pytest.raises(VL2Error, match="no log.jsonl here|not one line can be read"):
        write_report(tmp_path, tmp_path / "report.html")
    result = CliRunner().invoke(app, ["train", "report", str(tmp_path), "-o", str(tmp_path / "report.html")])
    assert result.exit_code == 2 and result.stderr.count("\n") == 1
    assert not (tmp_path / "report.html").exists()


def test_the_verb(tmp_path):
    run, out = run_of(tmp_path / "run", steps=3), tmp_path / "report.html"
    result = CliRunner().invoke(app, ["train", "report", str(run), "-o", str(out)])
    assert result.exit_code == 0, result.stderr
    assert Outline(out.read_text(encoding="utf-8")).tags.count("figure") > 10
    with pytest.raises(VL2Error, match=r"not a page.*report.html"):
        write_report(run, tmp_path / "report.pdf")


numbers = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.floats(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.one_of(st.floats(), st.integers()), max_size=3),
    st.lists(st.lists(st.floats(width=32), min_size=2, max_size=2), max_size=3),
)  # fmt: skip
NAMES = ("num_steps", "steps", "seconds", "loss", "eval_loss", "grad_norm", "learning_rates", "tokens", "mfu",
         "skipped", "tokens_per_second", "expert_load", "spikes", "lr_scale", "rate", "look", "text",
         "other")  # fmt: skip
records = st.fixed_dictionaries({"step": st.integers(0, 100)}, optional=dict.fromkeys(NAMES, numbers))


@given(st.lists(records, min_size=1, max_size=8))
def test_any_lines_give_a_page(tmp_path_factory, told):
    folder = tmp_path_factory.mktemp("run")
    (folder / "log.jsonl").write_text("\n".join(json.dumps(one) for one in told))
    page_of(folder, folder)


def test_of_steps_that_were_done_again_the_later_line_is_drawn(tmp_path):
    lines = [{"step": step, "loss": loss} for step, loss in ((1, 1.0), (2, 2.0), (3, 3.0), (2, 5.0))]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert [(line.step, line.loss) for line in read_history(tmp_path).lines] == [(1, 1.0), (2, 5.0), (3, 3.0)]


def test_loads_beyond_a_bound_are_thinned(tmp_path):
    lines = [json.dumps({"step": step, "expert_load": [[1, 1]]}) for step in range(5000)]
    (tmp_path / "log.jsonl").write_text("\n".join(lines))
    loads = [line.step for line in read_history(tmp_path).lines if line.expert_load]
    assert MOST_LOADS / 2 <= len(loads) <= MOST_LOADS and loads[0] == 0


def test_smoothing_does_not_lag_and_keeps_a_constant():
    line = [(float(step), 5.0 - step) for step in range(200)]
    assert all(
        abs(after - before) < 0.2 for (_, before), (_, after) in list(zip(line, smoothed(line), strict=True))[50:-50]
    )
    assert smoothed([(1.0, 2.0), (2.0, 2.0)]) == [(1.0, 2.0), (2.0, 2.0)]


def test_few_values_far_out_do_not_flatten_the_rest():
    points = [(float(step), 1.0 + step / 100) for step in range(100)]
    chart = Chart(title="", curves=[Curve(name="", points=[*points, (100.0, 1e6)])])
    assert value_scale(chart, 190).high < 4
    assert value_scale(Chart(title="", curves=[Curve(name="", points=[(1.0, 3.0)])]), 190).low < 3


def test_thinning_keeps_the_ends_of_what_a_curve_did():
    points = [(float(step), 9.0 if step == 777 else step % 2 - 1.0) for step in range(5000)]
    kept = thinned(points, 100)
    assert len(kept) <= 100 and (777.0, 9.0) in kept and kept == sorted(kept)


def test_skipped_samples_add_up_over_a_resume():
    lines = [LogLine(step=step, skipped={"broken": count}) for step, count in ((1, 2), (2, 5), (3, 1), (4, 2))]
    (curve,) = skipped_samples(lines)
    assert [value for _, value in curve.points] == [2, 5, 6, 7]


def test_parts_with_the_same_rate_share_a_curve(tmp_path):
    history = read_history(run_of(tmp_path / "run", steps=4))
    rates = next(chart for chart in charts_of(history) if chart.title == "Learning rate")
    assert [curve.name for curve in rates.curves] == ["vision", "language"]
    lines = [LogLine(step=1, learning_rates={"vision": 1e-4, "adaptor": 1e-3, "language": 1e-3})]
    rates = next(charts_of(type(history)(name="", lines=lines, num_steps=1, config={}, num_broken=0)))
    assert [curve.name for curve in rates.curves] == ["vision", "adaptor, language"]


def test_heat_is_clear_where_a_share_is_even():
    data = base64.b64decode(to_png([[1.0, 3.0, 9.0, 0.0]]).partition(",")[2])
    assert struct.unpack(">II", data[16:24]) == (4, 1)
    size = struct.unpack(">I", data[33:37])[0]
    pixels = zlib.decompress(data[41 : 41 + size])[1:]
    found = [tuple(pixels[start : start + 4]) for start in range(0, 16, 4)]
    assert found[0][3] == 0 and found[1] == found[2] == (*OVER, 255) and found[3] == (*UNDER, 255)


@pytest.mark.parametrize(
    "value, told", [(0, "0"), (0.1 + 0.2, "0.3"), (2e-5, "2e-05"), (9999, "9999"), (12_500, "12.5k"), (3e9, "3G")]
)
def test_numbers_are_short(value, told):
    assert short(value) == told


def test_ticks_are_round_and_within():
    assert Scale(low=0.0, high=1.0, begin=0, end=1).ticks() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert Scale(low=3.1e-5, high=3.9e-5, begin=0, end=1).ticks() == pytest.approx([3.2e-5, 3.4e-5, 3.6e-5, 3.8e-5])
