"""The generation stages: greedy tokens with and without penalty, to the end, and from a chunked prefill."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from vl2.core.batch import ModelInput
from vl2.engine.cache import BLOCK_SIZE, PagedCache
from vl2.engine.encode import encode_images
from vl2.engine.generate import stream
from vl2.engine.request import Request
from vl2.engine.runner import Runner, embed_chunk
from vl2.engine.sampler import SamplingSettings, penalize
from vl2.engine.scheduler import Chunk
from vl2.engine.sequence import Sequence
from vl2.evaluation.parity.compare import LOGIT_BOUND, MARGIN_BOUND, Comparison
from vl2.evaluation.parity.recording import Case
from vl2.model import VL2
from vl2.processor import Processor

PENALTY_KEY = "greedy_24_reppen"  # followed by the penalty
WHOLE, CHUNK = 1 << 20, 96  # prefill sizes in tokens


@dataclass(frozen=True, kw_only=True)
class Greedy:
    """Greedy tokens that run past every eos."""

    tokens: list[list[int]]  # [B][steps]
    margins: Tensor  # [B, steps] the likeliest logit minus the next
    last_logits: Tensor  # [B, V] of the last step, before any penalty


def compare_generation(case: Case, rows: list[ModelInput], model: VL2, processor: Processor, out: Comparison) -> None:
    """Compare what the engine generates for a case."""
    prompts = [_encoded(model, row) for row in rows]
    greedy = case.values.take("greedy_24")
    if greedy is not None:
        _compare_greedy(case, prompts, model, processor, greedy, out)
    for name, theirs in _penalised(case):
        penalty = float(name.removeprefix(PENALTY_KEY))
        found = generate(model, prompts, processor.pad_id, len(theirs[0]), penalty=penalty)
        out.exact("greedy, penalised", found.tokens, theirs)
        smallest = case.values.take("greedy_reppen_margin_min")
        if smallest is not None:
            out.close("greedy margins", found.margins.min(), smallest, MARGIN_BOUND)
    to_the_end = case.values.take("greedy_with_eos")
    if to_the_end is not None:
        room = max(len(row) for row in greedy or to_the_end)
        out.exact("greedy to the end", generate_to_the_end(model, prompts, processor, room), to_the_end)


@torch.inference_mode()
def generate(
    model: VL2, prompts: list[Request], pad_id: int, steps: int, *, penalty: float = 1.0, chunk_size: int = WHOLE
) -> Greedy:
    """Choose the likeliest token `steps` times, with the engine's own runner, cache and penalty."""
    vocab_size, lengths = model.config.language_config.vocab_size, [one.num_prompt_tokens for one in prompts]
    runner, sequences = _place(model, prompts, steps)
    seen = torch.zeros(len(prompts), vocab_size, dtype=torch.bool)  # [B, V]
    for row, request in zip(seen, prompts, strict=True):
        row[request.prompt.input_ids] = True
        row[pad_id] |= request.num_prompt_tokens < max(lengths)  # the reference penalises its left padding too
    tokens: list[Tensor] = []
    margins: list[Tensor] = []
    while True:
        logits = _next_logits(runner, sequences, prompts, chunk_size)  # [B, V]
        top = (penalize(logits, seen, penalty) if penalty != 1 else logits).topk(2)
        tokens.append(top.indices[:, 0])
        margins.append(top.values[:, 0] - top.values[:, 1])
        if len(tokens) == steps:
            break
        seen.scatter_(1, top.indices[:, :1], True)
        for sequence, token_id in zip(sequences, tokens[-1].tolist(), strict=True):
            sequence.tokens.append(token_id)
    return Greedy(tokens=torch.stack(tokens, 1).tolist(), margins=torch.stack(margins, 1), last_logits=logits)


def _place(model: VL2, prompts: list[Request], steps: int) -> tuple[Runner, list[Sequence]]:
    """Give every prompt blocks for itself and `steps` tokens."""
    sequences, taken = [], 1
    for number, request in enumerate(prompts):
        num_blocks = -(-(request.num_prompt_tokens + steps) // BLOCK_SIZE)
        blocks = list(range(taken, taken + num_blocks))
        sequences.append(Sequence(number=number, tokens=request.prompt.input_ids.tolist(), blocks=blocks))
        taken += num_blocks
    newline = model.tile_newline
    cache = PagedCache.empty(
        model.config.language_config, num_blocks=taken - 1, dtype=newline.dtype, device=newline.device
    )
    return Runner(model, cache), sequences


def _next_logits(runner: Runner, sequences: list[Sequence], prompts: list[Request], chunk_size: int) -> Tensor:
    """Compute what the cache does not hold yet, in chunks; return the logits behind each sequence [B, V]."""
    logits: dict[int, Tensor] = {}
    while any(sequence.num_left for sequence in sequences):
        chunks = [
            Chunk(one, one.num_computed, min(one.num_computed + chunk_size, len(one.tokens)))
            for one in sequences
            if one.num_left
        ]
        embeds = {
            chunk.sequence.number: embed_chunk(
                runner.model, chunk, prompts[chunk.sequence.number].prompt.image_mask,
                prompts[chunk.sequence.number].visual_embeds,
            )
            for chunk in chunks
        }  # fmt: skip
        logits |= runner.run(chunks, embeds)
        for chunk in chunks:
            chunk.sequence.num_computed = chunk.stop
    return torch.cat([logits[sequence.number] for sequence in sequences])


def generate_to_the_end(model: VL2, prompts: list[Request], processor: Processor, room: int) -> list[list[int]]:
    """Return the tokens of each row as the engine answers it, its eos included."""
    settings = SamplingSettings(max_new_tokens=room)
    answers: list[list[int]] = [[] for _ in prompts]
    for event in stream(model, processor.tokenizer, [replace(request, settings=settings) for request in prompts]):
        answers[event.row] += event.token_ids
        if event.finish_reason == "stop":
            answers[event.row].append(processor.eos_id)
    return answers


def _encoded(model: VL2, row: ModelInput) -> Request:
    """Return a request whose pictures are encoded, once for all that is generated from it."""
    visual = encode_images(model, row.tiles, row.grids)
    return Request(prompt=row, visual_embeds=torch.cat(visual) if visual else None)


def _compare_greedy(
    case: Case, prompts: list[Request], model: VL2, processor: Processor, theirs: list[list[int]], out: Comparison
) -> None:
    steps = len(theirs[0])
    found = generate(model, prompts, processor.pad_id, steps)
    out.exact("greedy", found.tokens, theirs)
    margins, smallest = case.values.take("greedy_margins"), case.values.take("greedy_margins_min")
    if margins is not None:
        out.close("greedy margins", found.margins, margins, MARGIN_BOUND)
    if smallest is not None:
        out.close("greedy margins", found.margins.min(), smallest, MARGIN_BOUND)
    last = case.tensors.take("final_step_logits")
    if last is not None:
        out.close("logits of the last step", found.last_logits, last, LOGIT_BOUND)
    text = case.values.take("decoded")
    if text is not None:
        out.exact("decoded text", [processor.decode(tokens) for tokens in found.tokens], text)
    if case.values.take("chunked_prefill_same_tokens") is not None:
        # ours must agree even where the reference, padded on the left, does not agree with itself
        chunked = generate(model, prompts, processor.pad_id, steps, chunk_size=CHUNK)
        out.exact("greedy, chunked prefill", chunked.tokens, theirs)


def _penalised(case: Case) -> Iterator[tuple[str, list[list[int]]]]:
    for name in case.values.names():
        if name.startswith(PENALTY_KEY):
            yield name, case.values.take(name)
