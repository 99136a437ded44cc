"""Decode replayed from fixed buffers gives the logits of the ordinary runner, and Python is not asked again."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from tests.engine import tiny
from tests.engine.recorded import record
from vl2.engine import graphs
from vl2.engine.answer import generate
from vl2.engine.cache import SCRAP_BLOCK, PagedCache
from vl2.engine.decoder import Decoder, find_decoder
from vl2.engine.engine import Engine, EngineSettings
from vl2.engine.graphs import CudaCapture, DecodeGraphs, Step
from vl2.engine.request import Request
from vl2.engine.runner import Runner
from vl2.engine.sampler import SamplingSettings
from vl2.engine.scheduler import Chunk
from vl2.engine.sequence import Sequence
from vl2.kernels import Backends
from vl2.model import VL2
from vl2.weights import load_model

RECORDED = Path(__file__).parents[1] / "fixtures" / "parity"
NAMES = ("a_tiny_mha", "b_small_mla", "c_base_noaux", "d_qlora_yarn_group")
TOLERANCE = 1e-4  # float32; logits have a deviation of about 5
BLOCK_SIZE = 4


def call_again(step: Step) -> Step:
    """Capture nothing: the same buffers, the same code."""
    return step


CAPTURES = {"called again": call_again, "recorded": record}


def checkpoint(name: str) -> VL2:
    """Load with kernels that never wait for the host."""
    return load_model(RECORDED / name / "checkpoint", dtype=torch.float32, backends=Backends())


def runner_of(model: VL2, dtype: torch.dtype = torch.float32) -> Runner:
    cache = PagedCache.empty(
        model.config.language_config, num_blocks=60, dtype=dtype, device="cpu", block_size=BLOCK_SIZE
    )
    return Runner(model, cache)


def graphed(runner: Runner, capture: graphs.Capture, least_slots: int = 8) -> DecodeGraphs:
    """Give a runner graphs, of which the smallest shows so few slots that sequences outgrow it."""
    found = runner.decoder = DecodeGraphs(runner.model, runner.cache, capture)
    found.least_blocks = least_slots // BLOCK_SIZE
    return found


def sequences() -> list[Sequence]:
    """Five sequences of unlike lengths whose blocks lie anywhere."""
    rng = random.Random(0)
    blocks = rng.sample(range(1, 61), 60)
    return [
        Sequence(number=n, tokens=[rng.randrange(3, 200) for _ in range(3 + 4 * n)], blocks=blocks[n::5])
        for n in range(5)
    ]


def answer(runner: Runner) -> list[dict[int, torch.Tensor]]:
    """Read five prompts, then grow them in batches that change: all logits."""
    rows, rng, found = sequences(), random.Random(1), []
    found.append(runner.run([Chunk(row, 0, len(row.tokens)) for row in rows], {}))
    for batch in ([0, 1, 2, 3, 4], [4], [2, 0], [1, 3, 4], [4, 2], [0, 1, 2, 3, 4], [3], [0, 2, 1], [4, 3, 2, 1]) * 2:
        chunks = []
        for row in (rows[number] for number in batch):
            row.tokens.append(rng.randrange(3, 200))
            chunks.append(Chunk(row, len(row.tokens) - 1, len(row.tokens)))
        found.append(runner.run(chunks, {}))
    return found


@pytest.mark.parametrize("capture", CAPTURES)
@pytest.mark.parametrize("name", NAMES)
def test_logits_and_cache_equal_those_of_the_ordinary_runner(name: str, capture: str) -> None:
    model = checkpoint(name)
    plain, ours = runner_of(model), runner_of(model)
    assert plain.decoder is None  # nothing changes on a CPU
    kept = graphed(ours, CAPTURES[capture])
    expected, found = answer(plain), answer(ours)
    for step, theirs in zip(found, expected, strict=True):
        assert step.keys() == theirs.keys()
        for number, logits in step.items():
            torch.testing.assert_close(logits, theirs[number], atol=TOLERANCE, rtol=0)
    # padding writes to the scrap block alone
    first = (SCRAP_BLOCK + 1) * BLOCK_SIZE
    torch.testing.assert_close(ours.cache.slots[:, first:], plain.cache.slots[:, first:], atol=TOLERANCE, rtol=0)
    assert {rows for rows, _ in kept._steps} == {1, 2, 4, 8}
    assert {blocks for _, blocks in kept._steps} == {4, 8}  # sequences outgrew a graph


def test_a_cache_in_8_bits_is_captured_too() -> None:
    model = tiny.tiny_model()
    model.backends = Backends()
    plain, ours = runner_of(model, torch.int8), runner_of(model, torch.int8)
    graphed(ours, record)
    for step, theirs in zip(answer(ours), answer(plain), strict=True):
        for number, logits in step.items():
            torch.testing.assert_close(logits, theirs[number], atol=TOLERANCE, rtol=0)


def test_each_size_is_captured_once_and_python_runs_no_more() -> None:
    calls: Counter[str] = Counter()

    def capture(step: Step) -> Step:
        calls["captures"] += 1

        def counted() -> torch.Tensor:
            calls["steps"] += 1
            return step()

        return record(counted)

    runner = runner_of(checkpoint("b_small_mla"))
    kept = graphed(runner, capture)
    answer(runner)
    assert calls["captures"] == len(kept._steps)
    assert calls["steps"] == 2 * calls["captures"]  # a warm-up and the recording; the other steps are replayed


def test_a_step_keeps_its_logits_when_the_next_one_is_replayed() -> None:
    runner = runner_of(checkpoint("a_tiny_mha"))
    graphed(runner, record)
    (row, *_), found = sequences(), []
    runner.run([Chunk(row, 0, len(row.tokens))], {})
    for token in (7, 150):
        row.tokens.append(token)
        found.append(runner.run([Chunk(row, len(row.tokens) - 1, len(row.tokens))], {})[0])
        if token == 7:
            before = found[0].clone()
    assert torch.equal(found[0], before)
    assert not torch.equal(found[0], found[1])


def test_a_graph_refuses_what_waits_for_the_host() -> None:
    with pytest.raises(AssertionError, match="the host waits"):
        record(lambda: torch.ones(3) * torch.ones(3).sum().item())


def test_drafts_and_embeddings_take_the_ordinary_way() -> None:
    runner = runner_of(checkpoint("a_tiny_mha"))
    kept = graphed(runner, call_again)
    row, width = sequences()[0], runner.model.config.language_config.hidden_size
    runner.run([Chunk(row, 0, 1)], {row.number: torch.zeros(1, width)})
    runner.run([Chunk(row, 1, 3)], {})
    row.tokens.append(9)
    assert runner.run([Chunk(row, 3, 4, drafts=(5,))], {})[0].shape[0] == 2
    assert not kept._steps
    runner.run([Chunk(row, 3, 4)], {})
    assert list(kept._steps) == [(1, 2)]


@pytest.mark.parametrize("config", ["mha", "mla"])
def test_the_engine_says_the_same(config: str) -> None:
    model, tokenizer = tiny.tiny_model(tiny.CONFIGS[config]), tiny.byte_tokenizer()
    model.backends = Backends()
    texts = ("How many?", "\nWhich one is it?", "Hi", "\nRead the text, all of it.", "\nWhere?")
    asked = [
        Request(prompt=tiny.prompt(tokenizer, text), settings=SamplingSettings(max_new_tokens=6 + 7 * n))
        for n, text in enumerate(texts)
    ]
    expected = [answer.token_ids for answer in generate(model, tokenizer, asked)]
    engine = Engine(model, tokenizer, EngineSettings(cache_tokens=600, max_running=3, block_size=BLOCK_SIZE))
    kept = graphed(engine.runner, record)
    numbers = [engine.add(request) for request in asked]
    said: dict[int, list[int]] = {}
    while engine.has_work:
        for event in engine.step():
            said.setdefault(event.row, []).extend(event.token_ids)
    assert [tuple(said[number]) for number in numbers] == [tuple(tokens) for tokens in expected]
    assert {rows for rows, _ in kept._steps} == {1, 2, 4}


def test_graphs_are_for_cuda_and_kernels_that_never_wait() -> None:
    def kept(device: str, *, is_capturable: bool) -> Decoder | None:
        model = SimpleNamespace(backends=Backends(is_capturable=is_capturable), language=None)
        cache = SimpleNamespace(slots=SimpleNamespace(device=torch.device(device)), block_size=16)
        return find_decoder(model, cache)  # type: ignore[arg-type]

    assert kept("cpu", is_capturable=True) is None
    assert kept("cuda", is_capturable=False) is None
    assert isinstance(found := kept("cuda", is_capturable=True), DecodeGraphs)
    assert isinstance(found.capture, CudaCapture)
    assert found.least_blocks == graphs.LEAST_SLOTS // 16
