"""Code mix: English words within a Chinese answer, or Chinese characters within an English one.

The paper names it as a defect of its smallest model (section 3.3). What people do write is excused: quotations, code,
formulas, addresses, names, abbreviations, units, a gloss in brackets, a line in the other language, words that a
sentence is about.
"""

from __future__ import annotations

import re

from vl2.corpus.filters.markup import without_markup

_HAN = "\u3400-\u9fff"
_EXCUSED = re.compile(
    r"```.*?(?:```|$)|`[^`\n]*`|\$\$.{1,2000}?\$\$|\$[^$\n]*\$|https?://\S+|www\.\S+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w.-]{1,64}|(?<![\w/\\-])[\w/\\-]{0,80}\.[a-z]{2,4}\b|\b[A-Z]:\\[\w\\.-]{1,80}"
    r"|<\|.{1,60}?\|>|<[^>\n]{1,60}>"
    r"|[“「『《\"][^”」』》\"\n]{1,200}[”」』》\"]|‘[^’\n]{1,200}’|(?<!\w)'[^'\n]{1,200}'(?!\w)"
    r"|[（(][^）)\n]{1,80}[）)]",
    re.DOTALL,
)
# in a text that is about computers, words are names of programs, files and settings
_COMPUTING = re.compile(
    "软件包|命令|终端|内核|文件|服务器|脚本|配置|编译|目录|进程|数据库|管理员|浏览器|接口|安装|日志|域名"
)
LEAST_COMPUTING = 2  # such words
_NAMES_IN_CODE = re.compile(r"[A-Za-z]\w{0,60}(?:[._:][A-Za-z]\w{0,60})+|[A-Za-z]{1,40}_\w{1,40}", re.ASCII)
_BEFORE_KIND = re.compile(
    r"[a-z]{1,30}(?=\s?(?:函数|方法|语句|循环|变量|参数|命令|关键字|标签|属性|模块|类型|子句|文件|目录|协议|接口))"
    r"|(?<=[数法量字签性令])\s?[a-z]{1,30}\b(?=的初|的值|为|，)"
)
_COMMAND = re.compile(
    r"\b(?:git|docker|pip|npm|sudo|ssh|curl|apt|make|conda|kubectl|cargo)(?: [\w./=-]{1,40}){1,8}", re.ASCII
)
_KEYWORDS = re.compile(r"\b(?:int|float|str|bool|dict|tuple|char|void|null|else|elif)\b", re.ASCII)
_ENGLISH_TAIL = re.compile(
    rf"(?m)(?:(?<=[：:])|(?<=[{_HAN}]) (?=[A-Z]))(?=[^A-Za-z\n]{{0,8}}[A-Za-z])[^{_HAN}\n，。]{{1,300}}[。！？]?$"
)
_ENGLISH_CELL = re.compile(rf"(?m)(?<=[{_HAN}]) [A-Z][A-Za-z' ]{{1,40}}(?= \d+(?:\.\d+)?(?:元|块)?$)")
_SENTENCE_END = re.compile(r"(?<=[。！？!?\n])|(?<=\.)\s")
_ABOUT_WORDS = re.compile(
    r"单词|动词|名词|形容词|复数|过去式|英语|英文|拼音|字母|前缀|后缀|冠词|译成|译为|译文|音标|主语|谓语|音阶|读音"
)
_ABOUT_HAN = re.compile(
    r"\b(?:says?|reads?|called|names?d?|characters?|words?|radical|written|texts?|titled?|means?|pronounced|translat\w+|"
    r"label|line|Chinese|spelled)\b",
    re.IGNORECASE,
)
_UNIT = re.compile(rf"(?<=\d)\s?[{_HAN}]{{1,2}}(?![{_HAN}])")  # 1月, 12万吨
_HAN_TAIL = re.compile(rf"(?m):\s{{0,4}}[{_HAN}][^A-Za-z\n]{{0,200}}$")
_TONED = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜ"
_PINYIN = re.compile(rf"(?<![A-Za-z])[A-Za-z]{{0,6}}[{_TONED}][A-Za-z{_TONED}]*")
_NAME = re.compile(
    r"\b[A-Z][\w'’-]{0,40}(?: (?:van|von|de|da|di|del|der|la|le|du|al|bin|of|the|and|in|on|a|an|for|to|&)){1,3}"
    r" [A-Z][\w'’-]*",
    re.ASCII,
)
_WORD = re.compile(r"[A-Za-z]+(?:['’-][A-Za-z]+)*")
_HAN_RUN = re.compile(rf"[{_HAN}]+")
# written in lower case within Chinese by custom
_CUSTOMARY = frozenset(
    """app email ok km kg cm mm m g mg ml l mb gb tb kb hz khz mhz ghz mah kw kwh v a w s ms min h px dpi rgb am pm
    vs etc x y z n k c d p t r b i e f u q j o logo vip wifi emoji vlog blog http https www com cn org html css json
    python java javascript numpy pandas matplotlib pytorch linux ios iphone ipad macos ebay sin cos tan log ln lim max
    min mol pi ph nba bpm kcal qq up token tokens softmax sigmoid dropout relu embedding transformer cookie cookies bug
    client-server vivo oppo iqoo realme adidas lululemon allegro andante adagio presto""".split()
)
# slips also with a capital, alone between Chinese
_FUNCTION_WORDS = frozenset(
    """the and but because so however therefore then with without of is are was were very really also this that these
    those there when while if or not from into between actually finally first second""".split()
)
# of two letters that are no symbols of a formula
_SHORT_WORDS = frozenset("is of in on at to so by or as it he we be do my us no go if an am me".split())
_LONE = re.compile(rf"(?:(?<=[{_HAN}，。])|^)[A-Z][a-z]+(?=[{_HAN}，])")


def code_mix(text: str) -> dict[str, float]:
    """Return `share`: of words of the lesser language, not excused; `words`: how many. A text of one language has 0."""
    plain = without_markup(text)
    if not _HAN_RUN.search(plain):  # nothing below puts Chinese into a text
        return {"share": 0.0, "words": 0}
    plain = _PINYIN.sub(" ", _EXCUSED.sub(" ", plain))
    han = sum(map(len, _HAN_RUN.findall(plain)))
    num_english = sum(len(word) > 2 or word.lower() in _SHORT_WORDS for word in _WORD.findall(plain))
    if not han or not num_english:
        return {"share": 0.0, "words": 0}
    if han / 1.6 >= num_english:  # characters of a Chinese word, on average
        foreign = _english_words(plain)
    else:
        foreign = _chinese_runs(plain)
    return {"share": foreign / (han / 1.6 + num_english), "words": foreign}


def _english_words(text: str) -> int:
    """Return how many English words in a Chinese text are more than names, terms, units or lines of their own."""
    text = "\n".join(filter(_HAN_RUN.search, text.split("\n")))  # a line between Chinese ones: a text in both
    text = _ENGLISH_CELL.sub(" ", _ENGLISH_TAIL.sub(" ", text))
    text = "".join(one for one in _SENTENCE_END.split(text) if not _ABOUT_WORDS.search(one))
    lone = sum(word.lower() in _FUNCTION_WORDS for word in _LONE.findall(text))
    for pattern in (_NAMES_IN_CODE, _COMMAND, _BEFORE_KIND, _KEYWORDS, _NAME):
        text = pattern.sub(" ", text)
    words = filter(_is_foreign, _WORD.findall(text))
    if len(_COMPUTING.findall(text)) >= LEAST_COMPUTING:
        words = (word for word in words if word in _FUNCTION_WORDS or word in _SHORT_WORDS)
    return lone + len(list(words))


def _is_foreign(word: str) -> bool:
    """Tell whether an English word in Chinese is more than a name, an abbreviation or a unit."""
    if len(word) <= 2 and word not in _SHORT_WORDS:
        return False
    return word.islower() and word not in _CUSTOMARY


def _chinese_runs(text: str) -> int:
    """Return how many runs of Chinese in an English text are more than what it speaks of."""
    text = _UNIT.sub(" ", text)
    text = _HAN_TAIL.sub(" ", "\n".join(filter(_WORD.search, text.split("\n"))))
    return sum(len(_HAN_RUN.findall(one)) for one in _SENTENCE_END.split(text) if not _ABOUT_HAN.search(one))
