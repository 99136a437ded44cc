"""Our model as a chat model of lmms-eval 0.7. Importing this needs lmms-eval."""

from __future__ import annotations

from typing import Any

from lmms_eval.api.instance import GenerationResult, TokenCounts
from lmms_eval.api.model import lmms

from vl2.core.sample import TextPart
from vl2.evaluation.bridges.answering import MAX_RUNNING, answer_all, asking_of, open_answerer, sample_of

DEFAULT_TOKENS = 1024  # where a task names no number


class VL2Chat(lmms):
    """Answer the requests of lmms-eval with our engine, many side by side, greedily."""

    is_simple = False

    def __init__(
        self, pretrained: str = "pocket", adapter: str | None = None, device: str | None = None,
        dtype: str | None = None, max_running: int = MAX_RUNNING, batch_size: int | str = 1, **others: Any,
    ) -> None:  # fmt: skip
        """Load a model; `batch_size` is lmms-eval's and changes nothing here, `max_running` does."""
        super().__init__()
        del batch_size, others
        on = None if device is None or device.startswith("cuda") else device  # the harness asks for CUDA anywhere
        self.answerer = open_answerer(
            pretrained, adapter=adapter or None, device=on, dtype=dtype, max_running=int(max_running)
        )

    def generate_until(self, requests: list[Any]) -> list[Any]:
        """Return one answer a request, in their order."""
        asked = []
        for number, request in enumerate(requests):
            _, to_messages, settings, doc_id, task, split = request.args
            turns = [
                (message["role"], [_piece(part) for part in message["content"]])
                for message in to_messages(self.task_dict[task][split][doc_id])
            ]
            key = str(number)
            asked.append((key, sample_of(key, turns), asking_of(settings, DEFAULT_TOKENS)))
        said = {reply.question.key: reply for reply in answer_all(self.answerer, asked)}
        failed = next((reply for reply in said.values() if reply.error), None)
        if failed is not None:
            raise RuntimeError(f"request {failed.question.key}: {failed.error}")
        replies = [said[key] for key, _, _ in asked]
        return [
            GenerationResult(text=reply.said.strip(), token_counts=TokenCounts(output_tokens=reply.num_tokens or 0))
            for reply in replies
        ]

    def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
        """Refuse: the tasks of the paper generate."""
        raise NotImplementedError("vl2: only tasks that generate are supported; choose a generate_until task")

    def generate_until_multi_round(self, requests: list[Any]) -> list[str]:
        """Refuse: the tasks of the paper are of one round."""
        raise NotImplementedError("vl2: tasks of several rounds are not supported")


def _piece(part: dict[str, Any]) -> Any:
    if part["type"] == "text":
        return TextPart(part["text"])
    if part["type"] == "image":
        return part["url"]
    raise ValueError(f"vl2: a {part['type']} cannot be shown; the model sees images and texts")
