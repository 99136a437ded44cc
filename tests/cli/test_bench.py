"""vl2 bench on the smallest sizes: what it measures, with whom, and what it writes."""

import json
import sys
from pathlib import Path

import pytest
import torch

from tests.cli.running import only_line, run
from vl2.cli import bench_rival, bench_run
from vl2.cli.bench_contender import build_contender, config_in
from vl2.cli.bench_measure import Measure, Sample
from vl2.cli.bench_report import remarks, summarise
from vl2.cli.bench_rival import Rival
from vl2.cli.bench_run import BenchSettings, Results, Row
from vl2.cli.bench_weights import WeightBytes, random_model, vision_operations
from vl2.core.errors import VL2Error
from vl2.model import PRESETS
from vl2.weights.empty import empty_model

SMALL = (
    "--preset pocket --context 20,40 --batch 1,2 --tiles 1,2 --rounds 2 --tokens 2 --threads 1 --read-gb 0.01".split()
)
LEAST = "--preset pocket --context 8 --batch 1 --tiles 1 --rounds 1 --tokens 1 --threads 1 --read-gb 0.01".split()
POCKET = """
from vl2.cli.bench_contender import build_contender, config_in
from vl2.cli.bench_rival import answer_requests
answer_requests(build_contender("pocket", "fp32"), tile_size=96, vocab_size=2048)
"""


@pytest.fixture
def rival(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pocket in float32 takes the place of the baseline."""

    def baseline(_: str, *, threads: int) -> Rival:
        assert threads == 1
        return Rival("baseline", [sys.executable, "-c", POCKET], threads=threads)

    monkeypatch.setattr(bench_rival, "baseline", baseline)
    monkeypatch.setattr(bench_run, "_check", lambda _: None)  # which refuses the real one: pocket has MLA


@pytest.mark.usefixtures("rival")
def test_all_figures_are_measured_in_turns_and_written(tmp_path: Path) -> None:
    out, png = tmp_path / "bench.json", tmp_path / "bench.png"
    threads = torch.get_num_threads()
    result = run("bench", *SMALL, "--precisions", "bf16", "--baseline", "--out", str(out), "--png", str(png))
    assert result.exit_code == 0, result.stderr
    assert torch.get_num_threads() == threads
    assert png.read_bytes().startswith(b"\x89PNG")
    record = json.loads(out.read_text())
    measures = [row["measure"] for row in record["rows"]]
    assert [(m["what"], m["context"] or m["amount"], m["batch"]) for m in measures] == [
        ("vision", 1, 1), ("vision", 2, 1), ("prefill", 20, 1), ("prefill", 40, 1), ("decode", 20, 1),
        ("decode", 40, 1), ("decode", 20, 2),
    ]  # fmt: skip
    for row in record["rows"]:
        assert len(row["samples"]) == len(row["rival_samples"]) == len(row["read_gbps"]) == 2
        assert row["path"].startswith(("native", "PyTorch")) and row["path"].endswith("bf16")
        assert row["rival_path"].endswith("fp32")
        assert row["summary"]["ratio"]["median"] > 0
        assert (row["read_bytes"] is not None) is (row["measure"]["what"] == "decode")
        assert (row["summary"]["share_of_limit"] is None) is (row["measure"]["what"] == "prefill")
    assert record["versions"]["torch"] == torch.__version__
    assert record["settings"]["preset"] == "pocket"
    assert str(tmp_path) not in out.read_text()
    assert "decode at 20, batch 2" in result.stdout
    assert "GB/s" in result.stdout


def test_quantised_weights_are_measured() -> None:
    result = run("bench", *LEAST, "--precisions", "int8,int4")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.count("prefill 8") == 2
    assert result.stdout.count("vision, 1 tile") == 1  # one tower serves both


def test_groups_are_chosen_for_random_weights(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    result = run("bench", *LEAST, "--precisions", "int4", "--group", "128", "--out", str(out))
    assert result.exit_code == 0, result.stderr
    rows = json.loads(out.read_text())["rows"]
    assert all("groups of 128" in row["path"] for row in rows if row["measure"]["what"] != "vision")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--group", "48"), "48"), (("--group", "64", "--model", "pocket-folder"), "Leave --group out")],
)
def test_groups_that_cannot_be_are_refused(words: tuple[str, ...], said: str) -> None:
    result = run("bench", "--precisions", "int4", *words)
    assert result.exit_code == 2
    assert said in only_line(result)


def test_what_was_measured_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(preset: str, precision: str, *rest: object) -> object:
        if precision == "int4":
            raise KeyboardInterrupt
        return build_contender(preset, precision)

    monkeypatch.setattr(bench_run, "build_contender", build)
    words = "--preset pocket --context 8 --batch 1 --rounds 1 --tokens 1 --threads 1 --read-gb 0.01".split()
    result = run("bench", *words, "--tiles", "", "--precisions", "int8,int4", "--out", str(tmp_path / "bench.json"))
    assert result.exit_code == 130
    record = json.loads((tmp_path / "bench.json").read_text())
    assert [row["precision"] for row in record["rows"]] == ["int8", "int8"]
    assert all(len(row["samples"]) == 1 for row in record["rows"])


def test_a_checkpoint_is_measured_in_place_of_random_weights(folder: Path) -> None:
    words = "--context 8 --batch 1 --tiles 1 --rounds 1 --tokens 1 --threads 1 --read-gb 0.01".split()
    result = run("bench", "--model", str(folder), "--precisions", "fp32", *words)
    assert result.exit_code == 0, result.stderr
    assert "prefill 8" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precisions", "int3"], "precision: cannot be run (got int3"),
        (["--context", "7a"], "context: must be positive numbers"),
        (["--context", ""], "context: must be positive numbers"),
        (["--baseline"], "baseline: is written for MHA only"),
        (["--rounds", "0"], "rounds: must be positive"),
        (["--preset", "huge"], "--preset"),
        (["--peer", "nowhere"], "peer: names what is not there"),
        (["--peer", f"{sys.executable}:/no/such/folder"], "peer: names what is not there"),
        (["--out", "bench.txt"], "bench.txt: unknown kind"),
        (["--png", "bench.jpg"], "unknown kind of picture"),
    ],
)
def test_what_cannot_be_measured_is_refused(words: list[str], message: str) -> None:
    result = run("bench", *SMALL, "--precisions", "bf16", *words)
    assert result.exit_code == 2
    assert message in only_line(result)


def test_a_checkpoint_is_measured_as_it_is_stored(folder: Path) -> None:
    result = run("bench", *SMALL, "--model", str(folder), "--precisions", "int8")
    assert result.exit_code == 2
    assert "cannot be measured in int8. Quantise it first." in only_line(result)


def test_a_quantised_checkpoint_is_measured_in_its_own_bits(folder: Path, tmp_path: Path) -> None:
    assert run("quantize", folder, "-o", tmp_path / "int4", "--bits", 4, "--group", 32).exit_code == 0
    result = run("bench", *SMALL, "--model", tmp_path / "int4", "--precisions", "int8")
    assert "cannot be measured in int8 (got int4)" in only_line(result)


def test_rivals_have_the_same_shape(folder: Path, tmp_path: Path) -> None:
    result = run(
        "bench", *SMALL, "--model", str(folder), "--precisions", "bf16", "--peer", f"{sys.executable}:{tmp_path}"
    )
    assert result.exit_code == 2
    assert only_line(result) == "model: has another shape than its rivals (expected the shape of pocket)."


def test_a_missing_peer_file_is_named(tmp_path: Path) -> None:
    result = run("bench", *SMALL, "--precisions", "bf16", "--peer", f"{sys.executable}:{tmp_path}")
    assert result.exit_code == 2
    assert "pocket-bf16.gguf: is missing" in only_line(result)


def test_the_last_words_of_a_rival_are_heard() -> None:
    with pytest.raises(VL2Error, match=r"peer: ended early with exit code 3 \(got no such file\)"):
        Rival(
            "peer", [sys.executable, "-c", "import sys; print('no such file', file=sys.stderr); sys.exit(3)"], threads=1
        )


def test_a_row_is_summarised_pair_by_pair() -> None:
    row = Row(
        measure=Measure(what="decode", amount=10, context=5), precision="bf16", path="", rival="r", rival_path="",
        read_bytes=10**9, samples=[Sample(seconds=s, others=0.0) for s in (1.0, 2.0, 4.0)],
        rival_samples=[Sample(seconds=s, others=0.2, disk_reads=9000) for s in (2.0, 6.0, 4.0)],
        read_gbps=[20.0, 10.0, 5.0],
    )  # fmt: skip
    found = summarise(row)
    results = Results(settings=BenchSettings(), rows=[row], matmul_gflops=[1.0])
    assert [line.split(":")[0] for line in remarks(results)[1:]] == [
        "Other processes used more than 8% of a core in 1 of 1 rows", "Pages came back from disk in 1 rows"
    ]  # fmt: skip
    assert (found.own.median, found.own.least, found.own.greatest) == (5.0, 2.5, 10.0)
    assert found.rival is not None and found.ratio is not None
    assert found.rival.median == 2.5
    assert (found.ratio.median, found.ratio.least, found.ratio.greatest) == (2.0, 1.0, 3.0)
    assert found.share_of_limit == 0.5
    assert Measure(what="vision", amount=4).figure(2.0) == 0.5
    assert Measure(what="decode", amount=4, batch=3).figure(2.0) == 6.0


def test_random_weights_use_every_expert_and_tell_tokens_apart() -> None:
    model = random_model(PRESETS["pocket"], torch.float32)
    ids = torch.randint(2048, (1, 256))
    with torch.inference_mode():
        positions = torch.arange(256)[None]
        hidden = model.language(
            model.language.embedding(ids), positions, torch.ones_like(ids), None, model.backends
        )  # fmt: skip
    for routing in hidden.routing.values():
        load = routing.topk_ids.flatten().bincount(minlength=8)
        assert load.min() > 0.25 * load.float().mean()


def test_decoding_behind_a_held_context_equals_decoding_behind_a_prompt() -> None:
    contender = build_contender("pocket", "fp32")
    ids = torch.randint(2048, (21,))
    whole = contender.prefill(ids)
    contender.prefill(ids[:20])
    assert torch.allclose(contender.decode(ids[20:])[0], whole, atol=1e-4)
    contender.hold(3, 20, 4)
    assert [line.shape for line in contender.decode(torch.tensor([1, 2, 3]))] == [(2048,)] * 3


def test_settings_name_all_work() -> None:
    measures = BenchSettings(contexts=(700, 1500), batches=(1, 4, 16), tiles=()).measures()
    assert [str(measure) for measure in measures] == [
        "prefill 700", "prefill 1500", "decode at 700, batch 1", "decode at 1500, batch 1", "decode at 700, batch 4",
        "decode at 700, batch 16",
    ]  # fmt: skip


def test_the_bytes_read_for_a_token_of_tiny() -> None:
    weights = {
        name: WeightBytes.of(empty_model(config_in(name, "tiny", None), torch.bfloat16).to(torch.bfloat16))
        for name in ("bf16", "int8", "int4")
    }
    assert {name: weight.read(1) / 1e9 for name, weight in weights.items()} == pytest.approx(
        {"bf16": 1.150, "int8": 0.595, "int4": 0.308}, rel=0.01
    )
    wide = empty_model(config_in("int4", "tiny", None, group=128), torch.bfloat16).to(torch.bfloat16)
    assert WeightBytes.of(wide).read(1) / weights["int4"].read(1) == pytest.approx(4.125 / 4.25, rel=0.001)
    assert weights["bf16"].read(8) / weights["bf16"].read(1) == pytest.approx(2.9, rel=0.01)  # 35 of 64 experts


def test_the_operations_of_a_tile() -> None:
    assert vision_operations(PRESETS["tiny"].vision_config) == pytest.approx(670e9, rel=0.01)
