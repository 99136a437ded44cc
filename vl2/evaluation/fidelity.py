"""Fidelity: how closely a quantised model follows its original, token by token of given answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from vl2.core.batch import IGNORE_INDEX, Batch
from vl2.core.errors import ConversationError
from vl2.model import VL2
from vl2.processor.marks import DET, DET_END
from vl2.processor.tokenizer import Tokenizer


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two models compared at some tokens of the answers."""

    num_tokens: int
    kl: float  # mean divergence of the candidate's next token from the original's, in nats
    same: float  # share of tokens at which both find the same token likeliest


@dataclass(frozen=True, kw_only=True)
class Fidelity:
    """Two models compared within boxes and elsewhere.

    Neighbouring coordinates are nearly equally likely to a model that learned soft ones: any rounding changes which is
    the likeliest, and the box stays where it is. So they are counted apart.
    """

    text: Agreement
    boxes: Agreement | None  # None without boxes in the answers


@torch.inference_mode()
def compare_models(original: VL2, candidate: VL2, batches: Iterable[Batch], tokenizer: Tokenizer) -> Fidelity:
    """Compare what two models expect next within the answers of the batches.

    Raises ConversationError when there are no answers.
    """
    divergences: list[Tensor] = []
    same: list[Tensor] = []
    in_boxes: list[Tensor] = []
    for batch in batches:
        assert batch.labels is not None
        wanted = batch.labels[:, 1:] != IGNORE_INDEX  # [B, T-1]
        ours, theirs = (expected_next(model, batch, wanted) for model in (candidate, original))  # [n, V], [n, V]
        divergences.append((theirs.exp() * (theirs - ours)).sum(-1))
        same.append((theirs.argmax(-1) == ours.argmax(-1)).float())
        in_boxes.append(within_boxes(batch.input_ids, tokenizer)[:, 1:][wanted])
    if not sum(map(len, same)):
        raise ConversationError("samples", "hold no answers", do="Compare on samples with answers, not on pictures.")
    is_box = torch.cat(in_boxes)
    columns = torch.cat(divergences), torch.cat(same)
    text, boxes = (_agreement(*(column[chosen] for column in columns)) for chosen in (~is_box, is_box))
    return Fidelity(text=text, boxes=boxes if boxes.num_tokens else None)


def expected_next(model: VL2, batch: Batch, wanted: Tensor) -> Tensor:
    """Return the logarithms of the probabilities [n, V] of the tokens behind each wanted place [B, T-1]."""
    states = model.language(model.embed(batch), batch.positions, batch.documents, None, model.backends).states
    return model.logits(states[:, :-1][wanted]).log_softmax(-1)


def within_boxes(ids: Tensor, tokenizer: Tokenizer) -> Tensor:
    """Tell which of the ids [B, T] stand between the marks of boxes."""
    opening, closing = (tokenizer.id_of(mark) for mark in (DET, DET_END))
    depth = (ids == opening).cumsum(1) - (ids == closing).cumsum(1)  # [B, T]
    return (depth > 0) & (ids != opening)


def _agreement(divergences: Tensor, same: Tensor) -> Agreement:
    num_tokens = len(same)
    kl, share = (float(column.mean()) if num_tokens else 0.0 for column in (divergences, same))
    return Agreement(num_tokens=num_tokens, kl=kl, same=share)
