"""MMBench and version 1.1, English and Chinese: a question in every rotation of its options (Liu et al., 2023)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from vl2.evaluation.loaders.literal import is_missing
from vl2.evaluation.metrics.circular import question_of
from vl2.evaluation.metrics.options import static_option
from vl2.evaluation.prompts import LETTER, asking, options_of, vlmevalkit_choice
from vl2.evaluation.row import Row
from vl2.evaluation.task import Count, PromptRule, Record, Scored, Task
from vl2.evaluation.tasks.columns import cell, images_of, own_row, tsv_row
from vl2.evaluation.tasks.columns import options_of as option_columns
from vl2.evaluation.tasks.scorers import chosen, score_choice, without_full_stop
from vl2.evaluation.verdict import Dialect, Verdict

LETTERS = "ABCD"
CHINESE_LETTER = "\n请直接使用所提供的选项字母作为答案回答。"
LMMS_TOKENS = {"en": 1024, "cn": 256}
SPLITS = {"dev": 4329, "test": 6666}


def rows(record: Record) -> Iterator[Row]:
    """Yield a row of a table or of the hub's columns: rotations belong to one question."""
    index, answer = int(record["index"]), record.get("answer")
    values = {"options": option_columns(record, LETTERS), "group": str(question_of(index)),
              "answers": () if is_missing(answer) else (str(answer).strip(),)}  # fmt: skip
    if isinstance(record.get("image"), list):  # a table's column is a list, the hub's one image
        yield tsv_row(record, **values)
        return
    extra = {"hint": cell(record, "hint"), "l2-category": cell(record, "L2-category")}
    yield Row(id=str(index), images=images_of(record["image"]), question=str(record["question"]),
              category=cell(record, "category"), fields={k: v for k, v in extra.items() if v}, **values)  # fmt: skip


def score(row: Row, said: str, dialect: Dialect) -> Verdict:
    """Compare letters of one rotation."""
    if dialect == "lmms":
        return chosen(static_option(said, row.options), row)
    return score_choice(row, said, dialect)


def count(scored: Sequence[Scored]) -> Iterator[Count]:
    """Count a question once, right when every rotation of it is."""
    questions: dict[str, list[float]] = defaultdict(list)
    for one in scored:
        questions[one.row.group or one.row.id].append(one.verdict.credit)
    for name, credits in questions.items():
        yield Count(part="all", group=name, value=float(all(credits)))


def lmms_question(row: Row, letter: str) -> str:
    """Return lmms-eval's question: hint, question and options in one."""
    hint = f"{row.fields['hint']} " if row.fields.get("hint") else ""
    return f"{hint}{row.question} There are several options:\n{options_of(row)}".rstrip("\n") + letter


def lmms_rule(language: str) -> PromptRule:
    """Return lmms-eval's prompts of a language."""
    letter = CHINESE_LETTER if language == "cn" else LETTER
    return PromptRule(
        ask=asking(lambda row: lmms_question(row, letter)), max_new_tokens=LMMS_TOKENS[language], stop=("\n\n",),
        dialect="lmms",
    )  # fmt: skip


VLMEVALKIT = PromptRule(ask=asking(vlmevalkit_choice), clean=without_full_stop, dialect="vlmevalkit")
EN = Task(
    name="mmbench_en", title="MMBench en", source="arXiv 2307.06281; VLMEvalKit MMBench_*_EN",
    metric="accuracy over all rotations", rows={"parquet": rows, "tsv": rows, "jsonl": own_row},
    profiles={"vlmevalkit": VLMEVALKIT, "lmms": lmms_rule("en")},
    score=score, count=count, breakdown=("category", "l2-category"), num_rows=SPLITS, published="MMBench_EN",
    repository="lmms-lab/MMBench", config="en",
)  # fmt: skip
CN = replace(
    EN, name="mmbench_cn", title="MMBench cn", source="arXiv 2307.06281; VLMEvalKit MMBench_*_CN",
    profiles={"vlmevalkit": VLMEVALKIT, "lmms": lmms_rule("cn")}, published="MMBench_CN",
    config="cn",
)  # fmt: skip
V11_EN = replace(EN, name="mmbench_v11_en", title="MMBench-V1.1 en", num_rows={}, published="MMBench_V11")
V11_CN = replace(CN, name="mmbench_v11_cn", title="MMBench-V1.1 cn", num_rows={}, published="")
