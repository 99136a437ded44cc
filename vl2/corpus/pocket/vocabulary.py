"""Pocket's tokenizer: bytes for everything, whole words of the questions, whole numbers inside boxes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers

from vl2.core.boxes import BOX_SCALE
from vl2.model import PRESETS
from vl2.processor.processor import Processor
from vl2.processor.settings import ProcessorSettings
from vl2.processor.tokenizer import Tokenizer

BOS, EOS, PAD = "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"
BOX_PIECES = ("[[", "]]", "], [", ", ")
# In boxes a number is one piece, so that a coordinate is one choice; elsewhere letters and digits stand alone,
# so that reading is spelling. A word is one piece only when the questions or answers are made of it.
PIECES = r"(?<=\[|, )\d{1,3}(?=, |\])|\[\[|\]\]|\], \[|, | ?[A-Za-z]+|[\s\S]"
WORDS_FILE = "spoken_words.txt"


def build_tokenizer() -> Tokenizer:
    """Return the tokenizer; the words are those of `spoken_words`."""
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
    """Return the words, with their leading space, that questions and set answers are made of.

    They were counted once, over 400 drawn conversations of each task. The list stays as it is when the drawing changes,
    so that a checkpoint and a corpus drawn later fit together.
    """
    return (resources.files("vl2.corpus.pocket") / WORDS_FILE).read_text(encoding="utf-8").splitlines()
