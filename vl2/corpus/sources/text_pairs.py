"""Text-only sets: questions and answers under the names that each set gives them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.sources.conversations import converse
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, name_of, optional_text, text
from vl2.corpus.sources.wordings import asked
from vl2.data.faults import RowError

Record = Mapping[str, Any]
_OPTION = re.compile(r"([a-e]) \) ([^,]*(?:,(?! [a-e] \))[^,]*)*)")


def read_pair(
    raw: Raw, questions: Sequence[str], answer: str, gold: str | None = None, kept: Sequence[str] = (),
) -> Sample:  # fmt: skip
    """Return question and answer; the question may stand in two fields, of which the second may be empty."""
    said = [optional_text(raw.record, name).strip() for name in questions]
    known = (text(raw.record, gold),) if gold is not None and raw.record.get(gold) else ()
    told = {name: raw.record[name] for name in kept if raw.record.get(name) is not None}
    name = name_of(raw.record, ("id", "uuid", "raw_index"), raw.name)
    messages = asked("\n\n".join(filter(None, said)), text(raw.record, answer).strip(), 0)
    return Sample(name, messages, answers=known, provenance={"metadata": told} if told else {})


def read_gsm8k(raw: Raw) -> Sample:
    """Return a problem and its solution as published; its result stands behind `####`."""
    solution = text(raw.record, "answer").strip()
    _, mark, result = solution.rpartition("####")
    result = result.strip().replace(",", "")
    if not mark or not result:
        raise RowError("a solution without its result")
    return Sample(raw.name, asked(text(raw.record, "question").strip(), solution, 0), answers=(result,))


def read_mathqa(raw: Raw) -> Sample:
    """Return a problem with its five options, told in one text, and the one that is right."""
    options = dict(_OPTION.findall(text(raw.record, "options")))
    correct = text(raw.record, "correct")
    if correct not in options or len(options) < 2:
        raise RowError("options that are not as published")
    told = [f"{letter.upper()}. {option.strip()}" for letter, option in options.items()]
    question = "\n".join((text(raw.record, "Problem").strip(), *told))
    rationale = text(raw.record, "Rationale").strip().strip('"').strip()
    right = f"{correct.upper()}. {options[correct].strip()}"
    said = f"{rationale}\nAnswer: {right}" if rationale else right
    return Sample(raw.name, asked(question, said, 0), answers=(options[correct].strip(), correct.upper()))


def read_magpie(raw: Raw) -> Sample:
    """Return a conversation, or the one instruction and response that it began with."""
    if raw.record.get("conversations"):
        return converse(raw, {"id": name_of(raw.record, ("uuid", "id"), raw.name), **_turns(raw.record)})
    return read_pair(raw, ("instruction",), "response")


def _turns(record: Record) -> Record:
    return {"conversations": record["conversations"]}


def _pairs(fields: Mapping[str, str], licence: str, url: str, read: Callable[[Raw], Sample]) -> SourceFormat:
    return SourceFormat(open_rows=open_records_of, read=read, fields=fields, licence=licence, url=url)


_HUB = "https://huggingface.co/datasets"
_RATED = (
    "input_quality quality_explanation difficulty task_category instruct_reward language reward_model intent knowledge "
    "model gen_input_configs other_task_category input_length output_length min_neighbor_distance repeat_count "
    "llama_guard_2 pre_query_template min_similar_uuid"
)
_TOLD = dict.fromkeys(_RATED.split(), "any?")
TEXT_PAIRS = {
    "mathqa": _pairs(
        {"Problem": "text", "Rationale": "text", "options": "text", "correct": "text", "category": "text?",
         "annotated_formula": "text?", "linear_formula": "text?"},
        "Apache-2.0", "https://math-qa.github.io", read_mathqa),
    "coig_cqia": _pairs(
        {"instruction": "text", "input": "text?", "output": "text", "task_type": "mapping?", "domain": "list?",
         "answer_from": "text?", "human_verified": "boolean?", "copyright": "text?", "metadata": "any?"},
        "unknown", f"{_HUB}/m-a-p/COIG-CQIA",
        partial(read_pair, questions=("instruction", "input"), answer="output", kept=("answer_from", "copyright"))),
    "gsm8k": _pairs({"question": "text", "answer": "text"}, "MIT", f"{_HUB}/openai/gsm8k", read_gsm8k),
    "dolly": _pairs(
        {"instruction": "text", "context": "text?", "response": "text", "category": "text?"}, "CC-BY-SA-3.0",
        f"{_HUB}/databricks/databricks-dolly-15k",
        partial(read_pair, questions=("instruction", "context"), answer="response", kept=("category",))),
    "orca_math": _pairs(
        {"question": "text", "answer": "text"}, "MIT", f"{_HUB}/microsoft/orca-math-word-problems-200k",
        partial(read_pair, questions=("question",), answer="answer")),
    "alpaca_gpt4": _pairs(
        {"instruction": "text", "input": "text?", "output": "text", "text": "text?"}, "CC-BY-NC-4.0",
        f"{_HUB}/vicgalle/alpaca-gpt4", partial(read_pair, questions=("instruction", "input"), answer="output")),
    "open_math_instruct_2": _pairs(
        {"problem": "text", "generated_solution": "text", "expected_answer": "text", "problem_source": "text?"},
        "CC-BY-4.0", f"{_HUB}/nvidia/OpenMathInstruct-2",
        partial(read_pair, questions=("problem",), answer="generated_solution", gold="expected_answer",
                kept=("problem_source",))),
    "oss_instruct": _pairs(
        {"lang": "text", "raw_index": "number?", "index": "number?", "seed": "text?", "problem": "text",
         "solution": "text", "openai_fingerprint": "text?"},
        "MIT", f"{_HUB}/ise-uiuc/Magicoder-OSS-Instruct-75K",
        partial(read_pair, questions=("problem",), answer="solution", kept=("lang",))),
    "magpie": _pairs(
        {"conversations": "list?", "instruction": "text?", "response": "text?", "uuid": "text?", "id": "any?", **_TOLD},
        "unknown", f"{_HUB}/Magpie-Align", read_magpie),
    "metamathqa": _pairs(
        {"query": "text", "response": "text", "type": "text?", "original_question": "text?"}, "MIT",
        f"{_HUB}/meta-math/MetaMathQA", partial(read_pair, questions=("query",), answer="response", kept=("type",))),
}  # fmt: skip
