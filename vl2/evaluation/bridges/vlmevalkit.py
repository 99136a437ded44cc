"""Our model as a class of VLMEvalKit: call `register()` before its run, then choose `--model vl2-pocket`.

Or serve the model and use `run.py --base-url http://127.0.0.1:8000/v1`, which needs nothing of ours.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from vl2.core.sample import TextPart
from vl2.evaluation.answerers.answerer import Asking
from vl2.evaluation.bridges.answering import answer_all, open_answerer, sample_of
from vl2.evaluation.tasks.scorers import without_full_stop

MAX_NEW_TOKENS = 2048  # of the authors' own adapter


class VL2:
    """A model that VLMEvalKit asks sample by sample."""

    INTERLEAVE = True
    INSTALL_REQ = False

    def __init__(self, model_path: str = "pocket", **settings: Any) -> None:
        self.answerer = open_answerer(model_path, **settings)

    def generate(self, message: list[dict[str, str]], dataset: str | None = None) -> str:
        """Answer a message: pieces of type image (a path) or text."""
        return self.generate_inner(message, dataset)

    def generate_inner(self, message: list[dict[str, str]], dataset: str | None = None) -> str:
        """Answer a message as the authors' adapter does: greedy, a full stop at the end taken off."""
        del dataset
        pieces = [piece["value"] if piece["type"] == "image" else TextPart(piece["value"]) for piece in message]
        sample = sample_of("message", [("user", pieces)])
        (reply,) = answer_all(self.answerer, [("message", sample, Asking(max_new_tokens=MAX_NEW_TOKENS))])
        if reply.error:
            raise RuntimeError(reply.error)
        return without_full_stop(reply.said)

    def use_custom_prompt(self, dataset: str) -> bool:
        """Take the prompts of the dataset classes, as the authors did."""
        del dataset
        return False

    def set_dump_image(self, dump_image_func: Any) -> None:
        """Accept VLMEvalKit's way to write images; it hands us paths already."""


def register(name: str = "vl2-pocket", model_path: str = "pocket") -> None:
    """Add the model to VLMEvalKit's table of models under a name."""
    from vlmeval.config import supported_VLM

    supported_VLM[name] = partial(VL2, model_path=model_path)
