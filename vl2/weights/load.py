"""Load a model from an official checkpoint, in about the memory of the model itself."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from vl2.core.errors import WeightsError, nearest
from vl2.kernels import Backends
from vl2.model import VL2, VL2Config
from vl2.model.context import RopeScalingType, with_context
from vl2.weights.empty import empty_model, model_tensors
from vl2.weights.hub import find_checkpoint
from vl2.weights.names import PARTS, Place, official_key, place_of, places_of, split_part
from vl2.weights.preflight import check_memory, plan_memory
from vl2.weights.quantized_model import quantized_weights
from vl2.weights.stored import DTYPES, STORED_TYPES, Header, StoredTensors, open_tensors

NAMED_IN_ERRORS = 3  # tensors listed by name; the rest are counted
# The least use that makes loading worth while: one picture and a short answer.
LEAST_CONTEXT_TOKENS, LEAST_TILES = 1024, 2


def load_model(
    path_or_name: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | str = "cpu",
    backends: Backends | None = None,
    max_context: int | None = None,
    rope_scaling: RopeScalingType | None = None,
) -> VL2:
    """Load a checkpoint directory, or a hub repository by name. `dtype` None keeps the stored one.

    `max_context` and `rope_scaling` change the longest context and how positions are stretched, see `with_context`.

    Quantised weights stay quantised; `dtype` is then what the others have and what is computed in.

    Raises WeightsError when files and model differ, ConfigError when config.json cannot be used, and
    MemoryPreflightError before anything is allocated when the model does not fit.
    """
    directory = find_checkpoint(path_or_name)
    config = with_context(VL2Config.from_file(directory / "config.json"), max_context, rope_scaling)
    with open_tensors(directory) as stored:
        dtype = dtype or common_dtype(stored.headers)
        model = empty_model(config, dtype, backends or Backends.best(device))
        check_stored(model, stored.headers)
        plan = plan_memory(config, dtype=dtype, context_tokens=LEAST_CONTEXT_TOKENS, num_tiles=LEAST_TILES)
        check_memory(plan, device=device)
        for name, tensor in list(model_tensors(model)):
            fill(model, name, tensor, stored, dtype, device)
    return model.eval()


def expected_tensors(model: VL2) -> dict[str, tuple[int, ...]]:
    """Return the official key and shape of every tensor that a checkpoint of this model holds."""
    expected: dict[str, tuple[int, ...]] = {}
    for name, tensor in model_tensors(model):
        for place in places_of(name, tensor):
            shape = tensor.shape if place.expert is None else tensor.shape[1:]
            expected[key_of(place)] = tuple(shape)
    return expected


def fill(
    model: nn.Module, name: str, tensor: Tensor, stored: StoredTensors, dtype: torch.dtype, device: torch.device | str,
    *, prefix: str = "",
) -> None:
    """Put the stored values in the place of a tensor of the model; `prefix` is the model's own name in a whole one."""
    kept = tensor.dtype if split_part(name)[1] else dtype  # codes and scales have one type only
    values = _read(prefix + name, tensor, stored, kept, device)
    owner, _, attribute = name.rpartition(".")
    is_parameter = isinstance(tensor, nn.Parameter)
    filled = nn.Parameter(values, requires_grad=tensor.requires_grad) if is_parameter else values
    setattr(model.get_submodule(owner), attribute, filled)


def key_of(place: Place) -> str:
    """Return the official key. Raises WeightsError for a parameter that the official format has not."""
    key = official_key(place)
    if key is None:
        raise WeightsError(str(place), "has no name in the official format", do="Use an adaptor of depth 2.")
    return key


def check_stored(model: VL2, headers: dict[str, Header]) -> None:
    """Hold the stored tensors against the model. Raises WeightsError that names the first ones that differ."""
    expected = expected_tensors(model)
    _check_vocabulary(headers, expected)
    unexpected = [key for key in headers if key not in expected]
    if unexpected:
        raise WeightsError(
            "checkpoint", f"{len(unexpected)} tensors have no place in the model", got=_listed(unexpected),
            do=nearest(unexpected[0], expected) or "Use the config.json that belongs to the weights.",
        )
    missing = [key for key in expected if key not in headers]
    if missing:
        raise WeightsError(
            "checkpoint", f"{len(missing)} of {len(expected)} tensors are missing", got=f"no {_listed(missing)}",
            do="Fetch the whole checkpoint, and the config.json that belongs to it.",
        )
    _check_types(model, headers)
    wrong = [key for key, shape in expected.items() if headers[key].shape != shape]
    if wrong:
        raise WeightsError(
            "checkpoint", f"{len(wrong)} tensors have another shape than config.json says: {_listed(wrong)}",
            got=list(headers[wrong[0]].shape), expected=list(expected[wrong[0]]),
            do="Use the config.json that belongs to the weights.",
        )


def _check_types(model: VL2, headers: dict[str, Header]) -> None:
    """Refuse what is stored in another kind of type: codes are integers, everything else is not."""
    weights = quantized_weights(model)
    for key, header in headers.items():
        place = place_of(key)
        part = place.part.removeprefix(".") if place else ""
        wanted = [getattr(weights[place.parameter], part).dtype] if place and part else list(DTYPES.values())
        if header.dtype not in wanted:
            names = {dtype: name for name, dtype in STORED_TYPES.items()}
            raise WeightsError(
                key, "stored in a type that this model has not", got=names[header.dtype],
                expected=", ".join(names[dtype] for dtype in wanted),
                do="Use the config.json that belongs to the weights.",
            )  # fmt: skip


def _check_vocabulary(headers: dict[str, Header], expected: dict[str, tuple[int, ...]]) -> None:
    """Name the field for the mistake that a published config.json makes."""
    place = Place("language.embedding.weight")
    key = next(key for key in (key_of(place), key_of(replace(place, part=PARTS[0]))) if key in expected)
    found, rows = headers.get(key), expected[key][0]
    if found is not None and len(found.shape) == 2 and found.shape[0] != rows:
        raise WeightsError(
            "config.json", "language_config.vocab_size does not fit the weights", got=rows, expected=found.shape[0],
            do=f"Set it to {found.shape[0]}.",
        )


def _listed(keys: list[str]) -> str:
    more = len(keys) - NAMED_IN_ERRORS
    return ", ".join(repr(key) for key in keys[:NAMED_IN_ERRORS]) + (f" and {more} more" if more > 0 else "")


def common_dtype(headers: dict[str, Header]) -> torch.dtype:
    """Return the type of most of the stored bytes: a few float32 norms do not make a float32 model."""
    sizes: Counter[torch.dtype] = Counter(dict.fromkeys(DTYPES.values(), 0))
    for key, header in headers.items():
        if not split_part(key)[1] and header.dtype in sizes:
            sizes[header.dtype] += header.num_bytes
    return sizes.most_common(1)[0][0]


def _read(
    name: str, tensor: Tensor, stored: StoredTensors, dtype: torch.dtype, device: torch.device | str
) -> Tensor:
    """Return the values of a tensor of the model; experts are read straight into their slices."""
    places = places_of(name, tensor)
    if places[0].expert is None:
        return stored.read(key_of(places[0])).to(device=device, dtype=dtype)
    values = torch.empty(tensor.shape, dtype=dtype, device=device)
    for place in places:
        values[place.expert].copy_(stored.read(key_of(place)))
    return values
