"""One forward pass with everything that the stages compare."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from vl2.core.batch import Batch
from vl2.model import VL2
from vl2.model.moe import Routing


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What a forward pass computed on its way."""

    vision: Tensor | None  # [N, P, C]
    adaptor: Tensor | None  # [N, Q, D]
    hidden: tuple[Tensor, ...]  # [B, T, D] embeddings, after each layer but the last, after the final norm
    logits: Tensor  # [B, T, V]
    routing: dict[int, Routing]


def trace(model: VL2, batch: Batch) -> Trace:
    """Run a batch and keep what its parts returned; gradients flow as in any forward pass."""
    seen: dict[str, Any] = {}
    layers: list[Tensor] = []

    def keep(name: str) -> Any:
        return lambda module, arguments, output: seen.update({name: (arguments, output)})

    def keep_layer(module: nn.Module, arguments: Any, output: Any) -> None:
        layers.append(output[0])

    hooks = [
        model.vision.register_forward_hook(keep("vision")),
        model.adaptor.register_forward_hook(keep("adaptor")),
        model.language.register_forward_hook(keep("language")),
        *(layer.register_forward_hook(keep_layer) for layer in model.language.layers),
    ]
    try:
        output = model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    (embeds, *_), hidden = seen["language"]
    return Trace(
        vision=seen["vision"][1] if "vision" in seen else None,
        adaptor=seen["adaptor"][1] if "adaptor" in seen else None,
        hidden=(embeds, *layers[:-1], hidden.states),
        logits=output.logits,
        routing=output.routing,
    )
