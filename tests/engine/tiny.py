"""Small random models and a byte-level tokenizer, made on the spot."""

from dataclasses import replace
from pathlib import Path

import tokenizers
import torch
from tokenizers import decoders, pre_tokenizers
from tokenizers.models import BPE

from vl2.core.batch import ModelInput
from vl2.core.tiles import TileGrid
from vl2.engine.request import Request
from vl2.engine.sampler import SamplingSettings
from vl2.kernels.native.library import library
from vl2.model import PRESETS, VL2, VL2Config
from vl2.processor import Processor, ProcessorSettings, Tokenizer
from vl2.weights import save_model
from vl2.weights.pack import pack_model

torch.set_num_threads(1)  # tests share their cores: threads that wait for each other take ten times as long

_POCKET = PRESETS["pocket"]
# a vocabulary of the tokenizer's size: answers are text, not unknown ids
MLA = replace(_POCKET, language_config=replace(_POCKET.language_config, vocab_size=267))
MHA = replace(
    MLA,
    language_config=replace(
        MLA.language_config, use_mla=False, kv_lora_rank=None, qk_nope_head_dim=0, qk_rope_head_dim=0, v_head_dim=0
    ),
)
CONFIGS = {"mla": MLA, "mha": MHA}
# every way to compute: PyTorch, and the native kernels where they can be compiled
NAMES = ("mla", "mha", *(("mla-packed", "mha-packed") if library() is not None else ()))


def tiny_model(config: VL2Config = MLA, seed: int = 0) -> VL2:
    torch.manual_seed(seed)
    return VL2(config).eval()


def model_called(name: str) -> VL2:
    """A model of NAMES."""
    model = tiny_model(CONFIGS[name.removesuffix("-packed")])
    return pack_model(model) if name.endswith("-packed") else model


def byte_tokenizer() -> Tokenizer:
    """Bytes are tokens; bos, eos and pad come first, as in the official V3 layout."""
    texts = ["<bos>", "<eos>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    backend = tokenizers.Tokenizer(BPE({text: number for number, text in enumerate(texts)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    return Tokenizer(backend, {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"})


def prompt(tokenizer: Tokenizer, text: str, grids: tuple[TileGrid, ...] = (), seed: int = 0) -> ModelInput:
    """Random pixels before a text."""
    generator = torch.Generator().manual_seed(seed)
    size = MLA.vision_config.image_size
    num_places = sum(grid.num_visual_tokens(size // 8 // 2) for grid in grids)
    ids = [tokenizer.bos_id] + [tokenizer.image_id] * num_places + tokenizer.encode(text)
    input_ids = torch.tensor(ids)
    return ModelInput(
        input_ids=input_ids,
        labels=input_ids,
        image_mask=input_ids == tokenizer.image_id,
        tiles=torch.rand(sum(grid.num_tiles for grid in grids), 3, size, size, generator=generator) * 2 - 1,
        grids=grids,
    )


def mixed_requests(tokenizer: Tokenizer, **settings: object) -> list[Request]:
    """Four prompts of unlike lengths, with no image, one, two, and a tiled one."""
    prompts = [
        prompt(tokenizer, "How many?"),
        prompt(tokenizer, "\nRead the text, all of it, from top to bottom.", (TileGrid(1, 1),), seed=1),
        prompt(tokenizer, "\nWhich?", (TileGrid(1, 1), TileGrid(1, 2)), seed=2),
        prompt(tokenizer, "\nWhat does the sign on the left say?", (TileGrid(2, 2),), seed=3),
    ]
    return [Request(prompt=item, settings=SamplingSettings(**settings)) for item in prompts]  # type: ignore[arg-type]


def write_checkpoint(directory: Path, config: VL2Config = MLA, model: VL2 | None = None) -> Path:
    """Write a whole checkpoint of random weights, or of this model."""
    save_model(model or tiny_model(config), directory)
    vision = config.vision_config
    settings = ProcessorSettings(candidate_resolutions=config.candidate_resolutions, patch_size=vision.patch_size)
    Processor(byte_tokenizer(), settings.rule(), settings).save(directory)
    return directory
