"""Quotations: one question about a saying or a verse that the saying itself answers, in its own language."""

from __future__ import annotations

import random
import re

from vl2.data.faults import RowError

LONGEST_QUOTED = 400  # characters that a question repeats
LEAST_HALF = 5  # characters on each side of the place where a saying is cut
_ENDS = re.compile(r"[。！？；，：][”’」』]?|[.;!?,:]['\")]?(?= )|\n")
_RIDDLE = re.compile(r"\AQ:\s+(?P<asked>.+?)\s+A:\s+(?P<said>.+)\Z", re.DOTALL)
_DEFINED = re.compile(
    r"\A(?!QOTD)(?P<word>[^\n:]{2,40}?)(?:, (?:n|v|adj|adv|vt|vi)\.?)?:\n\s*(?P<said>\S.+)\Z", re.DOTALL
)

BY_AUTHOR = {
    False: ("Give me a quotation from {by}.", "What did {by} say?", "Quote {by}.", "Do you know a line by {by}?"),
    True: ("引用{by}的一句话。", "{by}说过什么？", "请写出{by}的一句名言。", "你知道{by}的哪句话？"),
}
BY_TITLE = {
    False: ("Quote {by}, {title}.", "Give me a passage from “{title}” by {by}.", "What does {by} say in “{title}”?"),
    True: ("背诵{by}的《{title}》。", "请写出{by}《{title}》中的句子。", "{by}的《{title}》写了什么？"),
}
OF_BOOK = {
    False: ("Quote from “{title}”.", "Give me a line of “{title}”."),
    True: ("引用《{title}》中的一句话。", "请写出《{title}》里的一句。", "《{title}》中有什么名句？"),
}
WHO = {
    False: ("Who said this?\n\n{said}", "Whose words are these?\n\n{said}", "{said}\n\nName the author of this."),
    True: ("这是谁写的？\n\n{said}", "下面的文字出自谁之手？\n\n{said}", "{said}\n\n请说出作者。"),
}
WHERE = {
    False: ("Where do these words come from?\n\n{said}", "{said}\n\nWhich work is this taken from?"),
    True: ("这段文字出自哪里？\n\n{said}", "{said}\n\n请说出这句话的出处。"),
}
GO_ON = {
    False: ("Complete this saying:\n\n{head} ...", "How does this go on?\n\n{head} ...", "Finish the text: {head} ..."),
    True: ("接着写下去：\n\n{head}", "补全这句话：{head}", "下一句是什么？\n\n{head}"),
}
DEFINE = (
    "How would a humorist define “{word}”?", "Define “{word}” with a joke.", "Give a playful meaning of “{word}”.",
)  # fmt: skip


def ask_about(said: str, by: str, title: str, dice: random.Random, *, chinese: bool) -> tuple[str, str]:
    """Return a question and its answer, of those that the saying allows. Raises RowError when it allows none."""
    if (riddle := _RIDDLE.match(said)) is not None:
        return _even(riddle["asked"]), _even(riddle["said"])
    if not by and (defined := _DEFINED.match(said)) is not None:
        return dice.choice(DEFINE).format(word=defined["word"].strip()), _even(defined["said"])
    ways = _ways(said, by, title, dice, chinese=chinese)
    if not ways:
        raise RowError("a saying of which nothing can be asked")
    pool, words, answer = dice.choice(ways)
    question = dice.choice(pool[chinese])
    for name, value in words.items():
        question = question.replace(f"{{{name}}}", value)
    return question, answer


Way = tuple[dict[bool, tuple[str, ...]], dict[str, str], str]


def _ways(said: str, by: str, title: str, dice: random.Random, *, chinese: bool) -> list[Way]:
    found: list[Way] = []
    if by and title:
        found.append((BY_TITLE, {"by": by, "title": title}, said))
    elif by:
        found.append((BY_AUTHOR, {"by": by}, said))
    elif title:
        found.append((OF_BOOK, {"title": title}, said))
    if by and len(said) <= LONGEST_QUOTED:
        found.append((WHO, {"said": said}, _source(by, title, chinese=chinese)))
    elif title and len(said) <= LONGEST_QUOTED:
        found.append((WHERE, {"said": said}, f"《{title}》" if chinese else title))
    places = [place.end() for place in _ENDS.finditer(said)]
    places = [at for at in places if LEAST_HALF <= at <= LONGEST_QUOTED and len(said[at:].strip()) >= LEAST_HALF]
    if places:
        at = dice.choice(places)
        found.append((GO_ON, {"head": said[:at].strip()}, said[at:].strip()))
    return found


def _source(by: str, title: str, *, chinese: bool) -> str:
    if not title:
        return by
    return f"{by}《{title}》" if chinese else f"{by}, “{title}”"


def _even(said: str) -> str:
    return " ".join(said.split())
