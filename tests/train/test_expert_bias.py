"""The loss-free balance: counted once, moved once a step, frozen where the table says, and it balances."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from tests.processes import start
from tests.train.variants import toy_config
from vl2.core.batch import PADDING, Batch
from vl2.core.errors import ConfigError
from vl2.model import VL2
from vl2.model.moe import Routing
from vl2.train.expert_bias import ExpertBalance, routers_of
from vl2.train.groups import parameter_groups
from vl2.train.losses import sequence_aux_loss, shifted_targets
from vl2.train.paper import TABLE_2

EXPERTS, ROW = 8, TABLE_2["base", "pretrain"]


def routing(ids: list[list[int]], num_experts: int = 4) -> Routing:
    return Routing(torch.zeros(len(ids), num_experts), torch.tensor(ids), torch.ones(len(ids), len(ids[0])))


def base() -> VL2:
    torch.manual_seed(0)
    return VL2(toy_config("base", experts=EXPERTS))


def text_batch(seed: int, rows: int = 4, length: int = 32) -> Batch:
    """A language with few words that come often, and an order: the next word is the last one plus one."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.multinomial(0.7 ** torch.arange(16.0), rows, replacement=True, generator=generator)[:, None]
    ids = (start + torch.arange(length)) % 16
    ones = torch.ones_like(ids)
    return Batch(
        input_ids=ids, positions=torch.arange(length).expand(rows, -1), documents=ones, image_mask=ones > 1,
        tiles=None, labels=ids,
    )  # fmt: skip


def loss_of(model: VL2, batch: Batch) -> tuple[Tensor, dict[int, Routing]]:
    out = model(batch)
    assert batch.labels is not None
    targets = shifted_targets(batch.labels)
    loss = torch.nn.functional.cross_entropy(out.logits.flatten(0, 1), targets.flatten())
    balance = sum((sequence_aux_loss(one, len(targets)) for one in out.routing.values()), start=torch.zeros(()))
    return loss + ROW.aux_weight * balance, out.routing


def test_the_rule_by_hand():
    balance, model = ExpertBalance(), base()
    router = routers_of(model)[1]
    router.num_experts = 4
    router.expert_bias = torch.nn.Parameter(torch.tensor([0.5, 0.0, 0.0, 0.0]), requires_grad=False)
    balance.collect({1: routing([[0, 1], [0, 2]])}, microbatch=0)
    balance.collect({1: routing([[0, 1], [0, 1]])}, microbatch=1)
    seen = balance.update(model, 1e-3)
    assert seen is not None
    assert seen.expert_load[1].tolist() == [4, 3, 1, 0]  # mean 2
    torch.testing.assert_close(router.expert_bias.data, torch.tensor([0.499, -0.001, 0.001, 0.001]))
    assert (seen.max_violation, seen.worst_layer) == (1.0, 1.0)  # (4 - 2) / 2
    assert balance.update(model, 1e-3) is None  # the count began anew


def test_the_same_microbatch_counts_once_and_pieces_add_up():
    balance = ExpertBalance()
    for _ in range(2):  # recompute
        balance.collect({1: routing([[0, 1]])}, microbatch=0)
    balance.collect({2: routing([[2, 3]])}, microbatch=0)  # the layers of another stage
    seen = balance.update(torch.nn.Module(), None)
    assert seen is not None
    assert {layer: load.tolist() for layer, load in seen.expert_load.items()} == {1: [1, 1, 0, 0], 2: [0, 0, 1, 1]}


def test_recompute_does_not_double_the_count():
    model, balance = base(), ExpertBalance()
    batch = text_batch(0)

    def run(embeds: Tensor) -> Tensor:
        hidden = model.language(embeds, batch.positions, batch.documents, None, model.backends)
        balance.collect(hidden.routing, microbatch=0)  # inside: runs again in backward
        return hidden.states

    checkpoint(run, model.embed(batch), use_reentrant=False).sum().backward()
    seen = balance.update(model, 0.0)
    assert seen is not None
    assert {int(load.sum()) for load in seen.expert_load.values()} == {batch.input_ids.numel() * 2}


def test_padding_is_not_counted():
    balance = ExpertBalance()
    documents = torch.tensor([[1, 1, PADDING]])
    balance.collect({1: routing([[0, 1], [0, 2], [3, 2]])}, microbatch=0, counts=documents != PADDING)
    seen = balance.update(torch.nn.Module(), None)
    assert seen is not None
    assert seen.expert_load[1].tolist() == [2, 1, 1, 0]


def test_loads_are_summed_over_processes_before_the_sign():
    model = base()
    balance = ExpertBalance()
    balance.collect({1: routing([[0, 1], [0, 1]], EXPERTS)}, microbatch=0)
    elsewhere = torch.tensor([[0, 0, 6, 6, 0, 0, 0, 0]])
    seen = balance.update(model, 1e-3, reduce=lambda loads: loads + elsewhere)
    assert seen is not None
    assert seen.expert_load[1].tolist() == [2, 2, 6, 6, 0, 0, 0, 0]  # mean 2: the first two stay
    expected = 1e-3 * torch.tensor([0.0, 0, -1, -1, 1, 1, 1, 1])
    torch.testing.assert_close(routers_of(model)[1].expert_bias.data, expected)


@pytest.mark.parametrize("stage", ["align", "sft"])
def test_the_bias_is_frozen_where_the_table_says(stage):
    model, balance = base(), ExpertBalance()
    with torch.no_grad():
        for router in routers_of(model).values():
            router.expert_bias.copy_(torch.randn(EXPERTS))
    before = {layer: router.expert_bias.clone() for layer, router in routers_of(model).items()}
    balance.collect(model(text_batch(0)).routing, microbatch=0)
    seen = balance.update(model, TABLE_2["base", stage].bias_step)
    assert seen is not None
    assert seen.max_violation > 0
    for layer, router in routers_of(model).items():
        assert torch.equal(router.expert_bias, before[layer])


@pytest.mark.parametrize("variant", ["tiny", "small"])
def test_variants_without_a_bias_are_watched_all_the_same(variant):
    model, balance = VL2(toy_config(variant)), ExpertBalance()
    balance.collect(model(text_batch(0)).routing, microbatch=0)
    seen = balance.update(model, TABLE_2[variant, "pretrain"].bias_step)
    assert seen is not None
    assert set(seen.expert_load) == {1, 2}  # layer 0 is dense
    assert routers_of(model) == {}


def test_a_bias_in_bfloat16_is_refused():
    model, balance = base().to(torch.bfloat16), ExpertBalance()
    balance.collect({1: routing([[0, 1]], EXPERTS)}, microbatch=0)
    with pytest.raises(ConfigError, match="expert_bias: must be float32"):
        balance.update(model, 1e-3)


def train(num_steps: int, bias_step: float) -> tuple[VL2, list[float], list[float]]:
    """Train Base's routing with two microbatches a step. Returns the losses and MaxVio of each step."""
    model, balance = base(), ExpertBalance()
    row = replace(ROW, learning_rate=2e-3)
    optimizer = torch.optim.AdamW(parameter_groups(model, row), betas=row.betas, eps=row.eps)
    losses, violations = [], []
    for step in range(num_steps):
        total = 0.0
        for microbatch in range(2):
            loss, decided = loss_of(model, text_batch(2 * step + microbatch))
            (loss / 2).backward()
            balance.collect(decided, microbatch=microbatch)
            total += float(loss.detach()) / 2
        optimizer.step()
        optimizer.zero_grad()
        seen = balance.update(model, bias_step)
        assert seen is not None
        losses.append(total)
        violations.append(seen.max_violation)
    return model, losses, violations


def test_base_trains_and_the_bias_balances_it():
    model, losses, violations = train(80, bias_step=0.01)
    _, losses_without, violations_without = train(80, bias_step=0.0)
    assert losses[-1] < 0.5 * losses[0]
    assert losses_without[-1] < 0.5 * losses_without[0]
    late, late_without = (sum(found[-20:]) / 20 for found in (violations, violations_without))
    assert late < 0.6 * late_without
    for router in routers_of(model).values():
        steps = router.expert_bias / 0.01  # each step moved by one step size or not at all
        torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
        assert steps.abs().max() <= 80


def sharded_worker(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    model, balance = base(), ExpertBalance()
    fully_shard(model)

    def everywhere(loads: Tensor) -> Tensor:
        dist.all_reduce(loads)
        return loads

    balance.collect({1: routing([[rank, 3], [0, 3]], EXPERTS)}, microbatch=0)
    balance.update(model, 1e-3, reduce=everywhere)
    bias = routers_of(model)[1].expert_bias
    assert isinstance(bias, DTensor)
    torch.save(bias.full_tensor(), f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_a_sharded_bias_moves_as_a_whole_one(tmp_path):
    start(sharded_worker, str(tmp_path), count=2)
    expected = 1e-3 * torch.tensor([-1.0, 0, 1, -1, 1, 1, 1, 1])  # loads 3, 1, 0, 4, and a mean of 1
    for rank in range(2):
        torch.testing.assert_close(torch.load(tmp_path / f"{rank}.pt"), expected)
