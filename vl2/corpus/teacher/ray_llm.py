"""Ray LLM: a teacher within Ray, by ray.data.llm and vLLM. For clusters with GPUs; optional, and thin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vl2.core.errors import VL2Error
from vl2.corpus.teacher.ask import Ask, Done, Reply, Sampling, TeacherError
from vl2.corpus.teacher.url import to_body


class RayBackend:
    """Batches of requests as a Ray dataset; the model's name is what vLLM loads."""

    def __init__(self, *, engine: dict[str, Any], batch_size: int, replicas: int) -> None:
        """Check that both are installed. Raises VL2Error."""
        try:
            import ray.data.llm
            import vllm  # noqa: F401 - ray.data.llm imports without it and fails later, on the workers
        except ImportError as error:
            do = "Run `pip install 'ray[llm]' vllm` on a machine with a GPU, or use kind: url."
            raise VL2Error(
                "teacher", f"ray.data.llm with vLLM is not installed: {error.name} is missing", do=do
            ) from None
        self._llm, self._engine, self._batch_size, self._replicas = ray.data.llm, engine, batch_size, replicas

    def replies(self, asks: Sequence[Ask], sampling: Sampling, done: Done) -> None:
        """Answer all; each reply is told as it comes out of the dataset."""
        import ray.data

        config = self._llm.vLLMEngineProcessorConfig(
            model_source=sampling.model, engine_kwargs=self._engine, batch_size=self._batch_size,
            concurrency=self._replicas,
            prepare_multimodal_stage={"enabled": any(ask.images for ask in asks)},
        )  # fmt: skip
        process = self._llm.build_processor(
            config, preprocess=lambda row: _to_request(row, sampling), postprocess=_to_reply
        )
        rows = ray.data.from_items([{"number": n, "body": to_body(ask, sampling)} for n, ask in enumerate(asks)])
        answered = 0
        for row in process(rows).iter_rows():
            done(asks[int(row["number"])], Reply(text=row["text"], finish_reason="stop", prompt_tokens=row["asked"],
                                                 completion_tokens=row["said"]))  # fmt: skip
            answered += 1
        if answered != len(asks):
            raise TeacherError("ray.data.llm", "lost requests", got=answered, expected=len(asks), do="Run it again.")


def _to_request(row: dict[str, Any], sampling: Sampling) -> dict[str, Any]:
    params = {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature, "seed": sampling.seed}
    return {"number": row["number"], "messages": row["body"]["messages"], "sampling_params": params}


def _to_reply(row: dict[str, Any]) -> dict[str, Any]:
    return {"number": row["number"], "text": row["generated_text"], "asked": int(row["num_input_tokens"]),
            "said": int(row["num_generated_tokens"])}  # fmt: skip
