"""Steps of AdamW with clipping: a layout trains as one process does. With VL2_LAYOUTS=1 every layout, fifty steps."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from tests.parallel.layouts import PLANS, SHOWS, laid_out, on_four, own
from tests.parallel.toy import Step, alone, toy, toy_config

TOLERANCE = 1e-4  # of the loss, relative
FIRST_NORM = 1e-5  # of the first gradient norm, relative; later ones follow the weights apart
NAMES = list(PLANS) if SHOWS else ["ep2 hsdp", "pp4 zbv"]
NUM_STEPS = 50 if SHOWS else 28


def optimizer(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    # one tensor at a time: they lie on several meshes
    return torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, foreach=False)


def num_microbatches(name: str) -> int:
    return 8 if PLANS[name].schedule == "dualpipev" else 4  # which must have as many as stages


def steps(attention: str, count: int) -> list[Step]:
    """Return four steps that come again and again, one of them of text alone."""
    config = toy_config(attention)
    return [Step.of(seed, has_images=seed != 2, config=config, count=count) for seed in range(4)]


def work(rank: int, folder: str, attention: str, names: list[str]) -> None:
    found = {}
    for name in names:
        count = num_microbatches(name)
        model = laid_out(attention, PLANS[name], count)
        parameters = [parameter for _, parameter in model.named_parameters() if parameter.requires_grad]
        optimize, losses = optimizer(parameters), []
        cycle = steps(attention, count)
        for number in range(NUM_STEPS):
            step = cycle[number % len(cycle)]
            loss = float(model.step(own(step, model), step.num_tokens))
            losses.append((loss, float(model.clip(1.0))))
            optimize.step()
            optimize.zero_grad()
        found[name] = torch.tensor(losses)
        if rank == 0 and SHOWS:
            print(attention, name, losses[0], losses[-1], flush=True)
    if rank == 0:
        torch.save(found, Path(folder) / "found.pt")


def trained_alone(attention: str, count: int) -> torch.Tensor:
    model, losses = toy(attention), []
    optimize = optimizer([parameter for parameter in model.parameters() if parameter.requires_grad])
    cycle = steps(attention, count)
    for number in range(NUM_STEPS):
        loss = alone(model, cycle[number % len(cycle)]).loss
        losses.append((loss, float(nn.utils.clip_grad_norm_(model.parameters(), 1.0))))
        optimize.step()
    return torch.tensor(losses)


def test_its_steps_are_those_of_one_process(tmp_path):
    on_four(work, tmp_path, "mla", NAMES)
    found = torch.load(tmp_path / "found.pt")
    assert list(found) == NAMES
    alone_by_count = {count: trained_alone("mla", count) for count in {num_microbatches(name) for name in NAMES}}
    for expected in alone_by_count.values():
        assert expected[-4:, 0].mean() < 0.9 * expected[:4, 0].mean()  # something was learned
    differences = {
        name: (losses / alone_by_count[num_microbatches(name)] - 1).abs() for name, losses in found.items()
    }  # of loss and gradient norm, by step
    if SHOWS:
        print({name: both.amax(0).tolist() for name, both in differences.items()})
    assert {name: both for name, both in differences.items() if float(both[:, 0].max()) > TOLERANCE} == {}
    assert {name: both for name, both in differences.items() if float(both[0, 1]) > FIRST_NORM} == {}
