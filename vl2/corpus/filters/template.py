"""Template leakage: what belongs to a prompt, a chat format or a form that was not filled in."""

from __future__ import annotations

import re

from vl2.corpus.filters.tokens import tokens_of

LEAST_ECHO = 6  # tokens of a question; a shorter one may well begin its answer
_LEAKS = re.compile(
    r"""(?ix)
    <\|(?:im_start|im_end|endoftext|eot_id|begin_of_text|start_header_id|end_header_id|system|user|assistant)\|>
    | \[/?INST\] | <</?SYS>> | </?s>
    | ^[ \t]*\#{2,}[ \t]*(?:instruction|input|response|system|user|assistant|human)[ \t]*:?[ \t]*$
    | ^[ \t]*(?:user|assistant|human|system)[ \t]*[:：]\s | ^[ \t]*(?:用户|助手|系统)[ \t]*[:：]
    | \{\{?\ ?(?:question|caption|answer|image|text|name|prompt|input|output|ocr|hint|context|label|topic)\ ?\}?\}
    | \[(?:insert|your|placeholder|fill\ in|add)\b[^\]\n]{0,40}\] | <(?:insert|your)\b[^>\n]{0,40}>
    | \blorem\ ipsum\b | \b(?:TODO|FIXME)\s*:
    | \bas\ an?\ (?:ai|artificial\ intelligence|large\ language|language)\b(?:\ (?:language\ )?(?:model|assistant))?
    | \b(?:original|given|provided)\ (?:caption|alt[- ]text)\b
    | \bocr\ (?:hints?|text|results?)\ (?:provided|above|given)
    | \b(?:here\ is|here's|below\ is)\ (?:the|a|an|your)\ (?:re-?written|revised|improved|detailed|new)\s
      (?:caption|description|version|answer)
    | (?:以下|下面)是(?:改写|重写|修改|润色|扩写)后的 | 作为(?:一个|一名)?\ ?(?:AI|人工智能|语言模型|大模型)
    | 根据(?:您|你)?提供的(?:提示|OCR|原始描述) | 原始(?:描述|标题|说明)
    """,
    re.MULTILINE,
)


def template(question: str, answer: str) -> dict[str, float]:
    """Return how many traces of a template an answer holds, and the share of the question that it begins with."""
    return {"leaks": len(_LEAKS.findall(answer)), "echo": _echo(tokens_of(question), tokens_of(answer))}


def _echo(question: list[str], answer: list[str]) -> float:
    if len(question) < LEAST_ECHO:
        return 0.0
    same = 0
    for asked, said in zip(question, answer, strict=False):
        if asked != said:
            break
        same += 1
    return same / len(question)
