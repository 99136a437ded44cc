"""Stamps of Tux Paint as Debian packs them: a picture, and beside it a text that names it in many languages.

The first line is English, then a line a language, as `zh_CN.utf8=`. A picture is a row in English, and one in Chinese.
"""

from __future__ import annotations

import hashlib
import random
import re
import unicodedata
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from vl2.core.sample import Sample
from vl2.corpus.source import Source
from vl2.corpus.sources.expanded import ExpandedRows
from vl2.corpus.sources.file_rows import NamedRows, find_names
from vl2.corpus.sources.packages.pictures.flattened import flattened
from vl2.corpus.sources.pictures import Pictures
from vl2.corpus.sources.source_format import Raw, SourceFormat, text
from vl2.corpus.sources.wordings import CAPTION, CAPTION_ZH, asked
from vl2.data.faults import RowError

MAX_TEXT_BYTES = 64 << 10
LONGEST = 300  # characters of a name
_CHINESE = "zh_CN.utf8="
_SHARE_OF_HAN = 0.4  # of a Chinese name: some are English still
_HAN = re.compile(r"[\u4e00-\u9fff]")
_MIRRORED = "_mirror"  # the same stamp for the other direction, without a text
_NO_NAME = re.compile(r"^[–-]|\?$|^another\b", re.IGNORECASE)
# Pictures whose Chinese names are of something else: an onion for a lion, a landmine for a mine, a bow for a bow.
_MISTRANSLATED = frozenset(
    """abalone albino_peahen anemone_red anthoorium appooppanthady blackbird bear beetle bolsom bow boxcar bradley
    broccoli caboose chemparathi chilepepper clothespin_old dead_end_sign dreydl drum_tomtom_floor drumkit
    dumper echidna ferret fire fishery fountain gbp_1_pound helmeted_guineafowl highlighter home_compost_bin
    hoverfly iguana infantry-stryker inukshuk-outline inukshuk-photo key_flat key_sharp lion lion-2
    medieval_tent mermaid mine nandou nutcracker old_naval_shell op2_multiply pasta_pot pen_dryerase
    penguin_with_spider pengwin pepper_grinder pigface pink_cake prune recycle red-gazania roundabout
    sea_lion sedan_police school_sign scream_balloon sliced_lime speech_balloon stop swisshome
    tamarin_emperor tanker tender terex thought_balloon tree336 tucan voyager2 vulture wapiti wishing_well
    xanthia xmas_tp_bulb xmaswreath yak yield zebu grave-b grave-i mad excited final-roll-call asl_i
    Roast_turkey bluegroper tophat spider_football ww2_german_gun""".split()
)
_QUESTIONS = {"en": ("What is this?", CAPTION), "zh": ("这是什么？", CAPTION_ZH)}
_PLACES = {
    "animals": "动物", "cartoon": "卡通", "clothes": "衣物", "food": "食物", "hobbies": "爱好", "household": "家居用品",
    "medical": "医疗", "military": "军事", "naturalforces": "自然力量", "people": "人物", "plants": "植物",
    "seasonal": "节日", "space": "太空", "sports": "体育", "symbols": "符号", "town": "城镇", "vehicles": "交通工具",
}  # fmt: skip


def open_stamps(source: Source) -> list[ExpandedRows]:
    """Open the stamps below a folder, a row a picture and language."""
    files = Pictures(source.path)
    names = [name for name in find_names(source, (".png",)) if not name.endswith(f"{_MIRRORED}.png")]

    def look(name: str) -> Mapping[str, Any]:
        return {"text": files.read_text(str(PurePosixPath(name).with_suffix(".txt")), MAX_TEXT_BYTES)}

    return [ExpandedRows(NamedRows(source.path, names, look), languages)]


def languages(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a record for each language in which a stamp has a name."""
    english, chinese = names_of(record["text"])
    named = {"file": record["file"], "name": english, "name_zh": chinese}
    if PurePosixPath(record["file"]).stem in _MISTRANSLATED or not _is_chinese(chinese):
        return [{**named, "name_zh": "", "language": "en"}]
    return [{**named, "language": "en"}, {**named, "language": "zh"}]


def names_of(told: str) -> tuple[str, str]:
    """Return the English and the Chinese name of a stamp; empty where there is none."""
    lines = told.splitlines()
    chinese = next((line.removeprefix(_CHINESE) for line in lines if line.startswith(_CHINESE)), "")
    return _tidied(lines[0] if lines else ""), _tidied(unicodedata.normalize("NFKC", chinese), "。")


def read_stamp(raw: Raw) -> Sample:
    """Return a stamp with its name in one language as caption, both names and its category as what is known of it."""
    record = raw.record
    file, language = text(record, "file"), text(record, "language")
    name, name_zh = text(record, "name"), text(record, "name_zh")
    if language not in _QUESTIONS:
        raise RowError("a stamp in another language", got=language[:20])
    caption = name if language == "en" else name_zh
    if not caption or len(caption) > LONGEST or _NO_NAME.search(caption):
        raise RowError("a stamp without a name")
    image = flattened(raw.pictures.image(file))
    dice = random.Random(hashlib.blake2b(image.data or b"", digest_size=8).digest())
    folders = [folder.lstrip("0_") for folder in PurePosixPath(file).parent.parts]
    metadata = {"title": name.rstrip(".!"), "title_zh": name_zh.rstrip("。！!"), "category": ", ".join(folders),
                "category_zh": _PLACES[folders[0]] if folders and folders[0] in _PLACES else ""}  # fmt: skip
    known = {field: value for field, value in metadata.items() if value}
    question = dice.choice(_QUESTIONS[language])
    told = {"caption": caption, "metadata": known}
    return Sample(f"{file}:{language}", asked(question, caption), (image,), provenance=told)


def _tidied(name: str, stop: str = ".") -> str:
    """Return a name as a sentence that ends."""
    name = " ".join(name.split()).strip(" ,，")
    if stop == "。":
        name = re.sub(r"(?<=[\u4e00-\u9fff])[!.](?=$)", "。", name.replace(" ", "")).replace(",", "，")
    return name if not name or name.endswith((".", "!", "?", "。", "！", "？", "”", ")", "）")) else name + stop


def _is_chinese(name: str) -> bool:
    return bool(name) and len(_HAN.findall(name)) >= _SHARE_OF_HAN * len(name)


TUXPAINT = {
    "tuxpaint_stamps": SourceFormat(
        open_rows=open_stamps, read=read_stamp, licence="GPL-2.0", url="https://tuxpaint.org/stamps",
        fields={"file": "text", "name": "text", "name_zh": "text", "language": "text"},
    ),
}  # fmt: skip
