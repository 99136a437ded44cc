"""Pocket's tokenizer: bytes for everything, whole words of the questions, whole numbers inside boxes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from vl2.core.boxes import BOX_SCALE
from vl2.core.sample import BoxesPart, Message, TextPart
from vl2.corpus.pocket.draw import TASKS, draw
from vl2.model import PRESETS
from vl2.processor.processor import Processor
from vl2.processor.settings import ProcessorSettings
from vl2.processor.tokenizer import Tokenizer

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
BOX_PIECES = ("[[", "]]", "], [", ", ")
# In boxes a number is one piece, so that a coordinate is one choice; elsewhere letters and digits stand alone,
# so that reading is spelling. A word is one piece only when the questions or answers are made of it.
PIECES = r"(?<=\[|, )\d{1,3}(?=, |\])|\[\[|\]\]|\], \[|, | ?[A-Za-z]+|[\s\S]"
SPOKEN_TASKS = ("shapes", "ground", "describe", "compare", "marks", "chat")  # tasks whose answers are set phrases
SAMPLES_PER_TASK = 400
MIN_SHARE, MIN_SHARE_OF_TEMPLATE = 0.01, 0.08  # words of set answers; words of question templates, not of contents
MARK = re.compile(r"<\|[^|]*\|>")
MAX_WORDS = 700


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer; deterministic, since the words are counted in drawn samples."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    numbers = [str(number) for number in range(10, BOX_SCALE + 1)]
    words = [word.replace(" ", "Ġ") for word in spoken_words()]
    pieces = [BOS, EOS, PAD, *alphabet, *numbers, *(piece.replace(" ", "Ġ") for piece in BOX_PIECES), *words]
    vocabulary = {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocabulary, merges=[], ignore_merges=True))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in (BOS, EOS, PAD)])
    config = {"add_bos_token": False, "add_eos_token": False, "tokenizer_class": "LlamaTokenizerFast"}
    return Tokenizer(backend, {**config, "bos_token": BOS, "eos_token": EOS, "pad_token": PAD})


def build_processor() -> Processor:
    """Return pocket's processor: its tokenizer and the tiles of the preset."""
    config = PRESETS["pocket"]
    settings = ProcessorSettings(
        candidate_resolutions=config.candidate_resolutions,
        patch_size=config.vision_config.patch_size,
        downsample_ratio=config.projector_config.downsample_ratio,
        mask_prompt=True,
    )
    return Processor(build_tokenizer(), settings.rule(), settings)


def write_processor(folder: Path) -> None:
    """Write the tokenizer and processor files."""
    folder.mkdir(parents=True, exist_ok=True)
    build_processor().save(folder)


def spoken_words() -> list[str]:
    """Return the words, with their leading space, that questions and set answers are made of."""
    splitter = pre_tokenizers.Split(Regex(PIECES), "isolated")
    words: Counter[str] = Counter()
    for task in TASKS:
        seen: Counter[str] = Counter()
        for index in range(SAMPLES_PER_TASK):
            texts = set()
            for text in _spoken(task, draw(task, "train", 0, index).messages):
                pieces = (piece for piece, _ in splitter.pre_tokenize_str(text))
                texts |= {piece for piece in pieces if len(piece.strip()) > 1 and piece.strip().isalpha()}
            seen.update(texts)
        share = MIN_SHARE if task in SPOKEN_TASKS else MIN_SHARE_OF_TEMPLATE
        words.update({word: count for word, count in seen.items() if count >= share * SAMPLES_PER_TASK})
    return sorted(word for word, _ in words.most_common(MAX_WORDS))


def _spoken(task: str, messages: tuple[Message, ...]) -> Iterator[str]:
    for message in messages:
        if message.role == "user" or task in SPOKEN_TASKS:
            for part in message.parts:
                if isinstance(part, TextPart):
                    yield from MARK.split(part.text)
                elif isinstance(part, BoxesPart):
                    yield part.label
