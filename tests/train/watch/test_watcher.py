"""Steps become lines of their means; a resume doubles none; TensorBoard, W&B and the screen are told the same."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
import torch
from rich.console import Console

from tests.train.watch.steps import figures, lines_of
from vl2.core.errors import ConfigError
from vl2.train.watch import Watcher
from vl2.train.watch.line import MOST_REASONS, OTHER_REASONS, LogLine, fewer_reasons
from vl2.train.watch.screen import Screen, duration, seconds_left


def test_a_line_has_the_means_of_its_steps(tmp_path):
    with Watcher(tmp_path, num_steps=4, log_every=2, is_shown=False) as watch:
        watch(figures(1, loss=1.0, supervised_tokens=300, seconds=1.0, data_wait_s=0.0, others={"accuracy": 0.5}))
        watch(figures(2, loss=3.0, grad_norm=3.0, seconds=3.0, data_wait_s=1.0, others={"accuracy": 0.9}))
    (line,) = lines_of(tmp_path)
    assert line["loss"] == 1.5, "each supervised token counts the same"
    assert line["accuracy"] == 0.6
    assert (line["step"], line["num_steps"], line["steps"], line["grad_norm"]) == (2, 4, 2, 2.0)
    assert (line["tokens"], line["tokens_per_second"], line["tiles_per_second"]) == (400, 200, 4)
    assert (line["seconds"], line["data_wait"], line["max_violation"]) == (4.0, 0.25, 0.25)
    assert line["expert_load"] == [[1.5, 0.5], [1.0, 1.0]]
    assert line["learning_rates"] == {"vision": 1e-4, "language": 1e-3}


def test_a_step_that_was_left_out_is_told_and_spoils_no_mean(tmp_path):
    with Watcher(tmp_path, num_steps=9, log_every=3, is_shown=False) as watch:
        watch(figures(1))
        watch(figures(2, loss=float("nan"), grad_norm=float("inf"), left_out="the loss is nan"))
        watch(figures(3))
    (line,) = lines_of(tmp_path)
    assert line["loss"] == 2.0 and line["grad_norm"] == 1.0 and line["steps"] == 3
    assert line["spikes"] == [{"step": 2, "reason": "the loss is nan", "loss": None, "grad_norm": None}]


def test_a_look_at_held_out_samples_is_a_line_of_its_step_and_the_end_writes_the_rest(tmp_path):
    with pytest.raises(KeyboardInterrupt), Watcher(tmp_path, num_steps=9, log_every=100, is_shown=False) as watch:
        watch(figures(1))
        watch(figures(2, eval_loss=1.25))
        watch(figures(3))
        raise KeyboardInterrupt
    lines = lines_of(tmp_path)
    assert [(line["step"], line["steps"], line.get("eval_loss")) for line in lines] == [(2, 2, 1.25), (3, 1, None)]


def test_a_full_disk_costs_lines_and_not_the_run(tmp_path):
    with Watcher(tmp_path, num_steps=3, log_every=1, is_shown=False) as watch:
        watch(figures(1))
        log = tmp_path / "log.jsonl"
        log.rename(tmp_path / "kept")
        log.symlink_to("/dev/full")
        with pytest.warns(UserWarning, match="line of step 2 is lost: No space left"):
            watch(figures(2))
        log.unlink()
        (tmp_path / "kept").rename(log)
        watch(figures(3))
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 3]


def test_what_a_resume_does_again_is_not_doubled(tmp_path):
    with Watcher(tmp_path, num_steps=6, log_every=1, is_shown=False) as watch:
        for step in range(1, 6):
            watch(figures(step))
    log = tmp_path / "log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"step": 6, "loss"')  # killed while it wrote
    with Watcher(tmp_path, num_steps=6, log_every=1, first_step=3, is_shown=False) as watch:
        watch(figures(4, loss=9.0))
    lines = lines_of(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert lines[-1]["loss"] == 9.0 and lines[-1]["seconds"] == 8.0
    assert not list(tmp_path.glob("*.incomplete"))


def test_a_log_whose_last_line_has_no_end_is_not_joined_to(tmp_path):
    (tmp_path / "log.jsonl").write_bytes(b'{"step": 1, "seconds": 1e999}')
    with Watcher(tmp_path, num_steps=6, log_every=1, first_step=1, is_shown=False) as watch:
        watch(figures(2))
    assert [line["step"] for line in lines_of(tmp_path)] == [1, 2]


def test_a_long_log_holds_no_more_loads_than_a_heat_map_shows(tmp_path):
    with Watcher(tmp_path, num_steps=1000, log_every=1, is_shown=False) as watch:
        for step in range(1, 101):
            watch(figures(step, expert_load=torch.tensor([[step, 0]])))
    loads = [line["step"] for line in lines_of(tmp_path) if "expert_load" in line]
    assert loads == list(range(5, 101, 5))


def test_tensorboard_reads_the_curves(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with Watcher(tmp_path, num_steps=4, log_every=1, is_shown=False) as watch:
        for step in (1, 2, 3):
            watch(figures(step, loss=float(step)))
    with Watcher(tmp_path, num_steps=4, log_every=1, first_step=1, is_shown=False) as watch:
        watch(figures(2, loss=7.0, skipped={"too long": 3}))
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("loss")] == [(1, 1.0), (2, 7.0)]
    assert {"learning_rates/vision", "skipped/too long", "tokens_per_second", "spikes"} <= set(events.Tags()["scalars"])


def test_wandb_is_asked_for_or_left_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="wandb: not installed"):
        Watcher(tmp_path, num_steps=4, wandb_project="mugs", is_shown=False)
    told = []
    run = SimpleNamespace(
        log=lambda values, step: told.append((step, values["loss"])), finish=lambda: told.append("end")
    )
    module = SimpleNamespace(init=lambda **given: told.append((given["project"], given["config"])) or run)
    module.__spec__ = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "wandb", module)
    with Watcher(tmp_path, num_steps=4, log_every=1, wandb_project="mugs", config={"rank": 4}, is_shown=False) as watch:
        watch(figures(1))
    assert told == [("mugs", {"rank": 4}), (1, 2.0), "end"]


def test_what_is_shown(tmp_path):
    line = LogLine(
        step=50, num_steps=100, loss=1.25, grad_norm=0.5, tokens=1000, tokens_per_second=100.0, tiles_per_second=3.0,
        flops_per_second=2e9, data_wait=0.02, memory_bytes=3e9, skipped={"broken": 2},
        learning_rates={"[red]": 1e-3, "b": 1e-4},
    )  # fmt: skip
    out = io.StringIO()
    screen = Screen(num_steps=100, console=Console(file=out, width=60))
    screen.write(line)
    screen.close()
    told = out.getvalue()
    assert told.count("\n") == 1, "a line of a file is never wrapped"
    for words in ("step 50 of 100: loss 1.2500, 8 min 20 s left, 100 tokens/s, 3.0 tiles/s, 2 GFLOP/s", "3.0 GB",
                  "waits for data 2%", "rate [red] 0.001 b 0.0001", "2 samples skipped"):  # fmt: skip
        assert words in told
    out = io.StringIO()
    screen = Screen(num_steps=100, console=Console(file=out, width=100, force_terminal=True))
    screen.write(line)
    screen.close()
    assert "50/100" in out.getvalue() and "8 min 20 s left" in out.getvalue()


def test_plain_lines_come_now_and_then_and_wherever_there_is_news():
    out, now = io.StringIO(), [0.0]
    screen = Screen(num_steps=60, console=Console(file=out, width=200), clock=lambda: now[0])
    for step in range(1, 61):
        now[0] += 1.0
        screen.write(LogLine(step=step, num_steps=60, eval_loss=0.5 if step == 25 else None, others={"reward": 0.25}))
    told = out.getvalue().splitlines()
    assert [int(line.split()[1]) for line in told] == [1, 11, 21, 25, 35, 45, 55, 60]
    assert told[3] == "step 25 of 60: held-out loss 0.5000, reward 0.25"


def test_time_left_and_durations():
    assert seconds_left(LogLine(step=1, num_steps=10)) is None
    assert [duration(seconds) for seconds in (5, 65, 3700, 90000)] == ["5 s", "1 min 05 s", "1 h 01 min", "1 d 01 h"]


def test_a_line_names_only_so_many_reasons():
    reasons = {f"reason {number}": number for number in range(1000)}
    fewer = fewer_reasons(reasons)
    assert len(fewer) == MOST_REASONS and sum(fewer.values()) == sum(reasons.values())
    assert fewer["reason 999"] == 999 and OTHER_REASONS in fewer


def test_a_figure_that_only_some_steps_have_is_the_mean_of_these(tmp_path):
    with Watcher(tmp_path, num_steps=9, log_every=9, is_shown=False) as watch:
        watch(figures(1, others={"kl": 0.5, "reward": 1.0}, supervised_tokens=0))
        watch(figures(2, others={"kl": 1.5}, supervised_tokens=0))
        watch(figures(3, held_out={"reward": 0.75}))
    (line,) = lines_of(tmp_path)
    assert (line["step"], line["kl"], line["reward"], line["held-out reward"]) == (3, 1.0, 1.0, 0.75)
