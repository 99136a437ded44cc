"""An adapter trains, is saved in PEFT's format, comes back, and merges without changing an answer."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.weights.checkpoints import NAMES, RECORDED, change_json
from vl2.core.batch import PADDING, Batch
from vl2.core.errors import ConfigError, WeightsError
from vl2.core.tiles import TileGrid
from vl2.train.tuning.lora import PARTS, adapter_of, add_adapter, merge_changes
from vl2.weights import load_model
from vl2.weights.adapter import CONFIG_FILE, WEIGHTS_FILE, load_adapter, merge, save_adapter

RANK, ALPHA = 3, 6.0


def load(name: str = "b_small_mla"):
    return load_model(RECORDED / name / "checkpoint")


def question(model) -> Batch:
    """One picture of one tile before some tokens."""
    torch.manual_seed(0)
    grid, side = TileGrid(1, 1), model.config.vision_config.image_size
    num_visual = grid.num_visual_tokens(model.config.tile_side)
    ids = torch.randint(model.config.language_config.vocab_size, (1, num_visual + 9))
    mask = torch.arange(ids.shape[1])[None] < num_visual
    return Batch(
        input_ids=ids, positions=torch.arange(ids.shape[1])[None], documents=torch.full_like(ids, PADDING + 1),
        image_mask=mask, tiles=torch.randn(grid.num_tiles, 3, side, side), grids=(grid,),
    )  # fmt: skip


def trained(model, batch: Batch, parts=tuple(PARTS)):
    """Return the changes of three steps towards a token."""
    changes = add_adapter(model, rank=RANK, alpha=ALPHA, parts=parts)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(3):
        loss = -model(batch).logits[..., 7].log_softmax(-1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return changes


@pytest.mark.parametrize("name", NAMES)
def test_what_was_trained_is_saved_loaded_and_merged(name, tmp_path):
    model, plain = load(name), load(name)
    batch = question(model)
    before = {key: value.clone() for key, value in plain.state_dict().items()}
    changes = trained(model, batch)
    with torch.no_grad():
        changed = model(batch).logits
        assert (changed - plain(batch).logits).abs().max() > 1e-3
    save_adapter(adapter_of(changes, rank=RANK, alpha=ALPHA), tmp_path / "adapter", base=name)

    merge(plain, load_adapter(tmp_path / "adapter", plain))
    with torch.no_grad():
        assert torch.equal(plain(batch).logits, changed), "merging is what was computed, to the bit"
    for key, value in plain.state_dict().items():
        is_changed = key in changes
        assert is_changed is not bool(torch.equal(value, before[key])), key

    merge_changes(model, changes)
    with torch.no_grad():
        assert torch.equal(model(batch).logits, changed)
    assert model.state_dict().keys() == before.keys(), "no trace of the adapter is left"


def test_a_new_adapter_changes_nothing():
    model, plain = load(), load()
    batch = question(model)
    add_adapter(model, rank=RANK, alpha=ALPHA)
    with torch.no_grad():
        assert torch.equal(model(batch).logits, plain(batch).logits)


def test_only_the_asked_parts_train():
    model = load()
    changes = add_adapter(model, rank=RANK, alpha=ALPHA, parts=("attention", "experts"))
    moving = {name for name, p in model.named_parameters() if p.requires_grad}
    assert moving and all(".parametrizations." in name for name in moving)
    assert all("attention" in name or "routed_experts" in name for name in changes)
    assert all(change.down.shape[0] == len(change.up) for name, change in changes.items() if "routed" in name)


def test_the_format_is_that_of_peft(tmp_path):
    model = load()
    changes = add_adapter(model, rank=RANK, alpha=ALPHA)
    folder = save_adapter(adapter_of(changes, rank=RANK, alpha=ALPHA), tmp_path / "adapter")
    tensors = load_file(folder / WEIGHTS_FILE)
    expert = "base_model.model.language.model.layers.1.mlp.experts.2.gate_proj"
    hidden = model.config.language_config.moe_intermediate_size
    assert tensors[f"{expert}.lora_A.weight"].shape == (RANK, model.config.language_config.hidden_size)
    assert tensors[f"{expert}.lora_B.weight"].shape == (hidden, RANK)
    layers = {key.removeprefix("base_model.model.").rpartition(".lora_")[0] for key in tensors}
    assert f'"{sorted(layers)[0]}"' in (folder / CONFIG_FILE).read_text(encoding="utf-8")


def test_what_cannot_be_asked_is_refused():
    model = load()
    with pytest.raises(ConfigError, match="Did you mean 'experts'"):
        add_adapter(model, rank=RANK, alpha=ALPHA, parts=("expert",))
    with pytest.raises(ConfigError, match="positive"):
        add_adapter(model, rank=0, alpha=ALPHA)


def spoil_config(**changed):
    return lambda folder: change_json(folder / CONFIG_FILE, lambda values: values.update(changed))


def spoil_weights(change):
    def spoil(folder):
        tensors = load_file(folder / WEIGHTS_FILE)
        change(tensors)
        save_file(tensors, folder / WEIGHTS_FILE)

    return spoil


def drop_one(tensors):
    del tensors[next(key for key in tensors if "experts.2.gate_proj.lora_A" in key)]


def name_another(tensors):
    tensors["base_model.model.language.model.layers.99.self_attn.q_proj.lora_A.weight"] = torch.zeros(3, 4)


def reshape_one(tensors):
    key = next(key for key in tensors if "self_attn.o_proj.lora_A" in key)
    tensors[key] = tensors[key][:, :-1].contiguous()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (spoil_config(peft_type="IA3"), "peft_type is not supported"),
        (spoil_config(use_dora=True), "use_dora is not supported"),
        (spoil_config(r=0), "no numbers"),
        (spoil_config(lora_alpha=float("nan")), "no numbers"),
        (spoil_weights(drop_one), "has not both matrices"),
        (spoil_weights(name_another), "a layer that the model has not"),
        (spoil_weights(reshape_one), "another shape"),
        (lambda folder: (folder / WEIGHTS_FILE).write_bytes(b"pickled"), "broken or cut off"),
        (lambda folder: (folder / WEIGHTS_FILE).unlink(), "no such file"),
    ],
)
def test_a_broken_adapter_is_one_line(spoil, words, tmp_path):
    model = load()
    folder = save_adapter(
        adapter_of(add_adapter(model, rank=RANK, alpha=ALPHA), rank=RANK, alpha=ALPHA), tmp_path / "adapter"
    )
    spoil(folder)
    plain = load()
    with pytest.raises(WeightsError, match=words):
        merge(plain, load_adapter(folder, plain))
