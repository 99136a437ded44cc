"""Text in images: formulas (LaTeX-OCR as published and in Parquet, HME100K) and lines of text (RenderedText)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from vl2.core.errors import VL2Error
from vl2.core.sample import Sample, SceneObject
from vl2.corpus.source import Source
from vl2.corpus.sources.file_rows import Lines, NamedRows, find_names
from vl2.corpus.sources.geometry import around
from vl2.corpus.sources.rows import open_records_of
from vl2.corpus.sources.source_format import Raw, SourceFormat, name_of, text
from vl2.corpus.sources.wordings import FORMULA, READ, asked
from vl2.data.faults import RowError

_SPLITS = {"train": "train", "val": "val", "valid": "val", "test": "test"}
_WRAPPED = (("$$", "$$"), ("\\[", "\\]"), ("$", "$"))


def open_latex_ocr(source: Source) -> list[NamedRows]:
    """Open math.txt with a folder or zip archive of images: the number of an image is that of its line, from 0."""
    images = source.images or str(Path(source.path).parent)
    lines = Lines(source.path)
    names = find_names(Source(name=source.name, path=images), (".png",))
    numbered = [name for name in names if PurePosixPath(name).stem.isdecimal()]

    def look(name: str) -> dict[str, Any]:
        number = int(PurePosixPath(name).stem[:18])
        if number >= lines.num_lines:
            raise RowError("an image whose number is beyond the last formula")
        return {"number": number, "formula": lines.line(number)}

    return [NamedRows(source.path, numbered, look)]


def read_latex_ocr(raw: Raw) -> Sample:
    """Return an image of a formula; its split is the folder that it lies in."""
    name = PurePosixPath(text(raw.record, "file"))
    split = next((_SPLITS[part] for part in reversed(name.parts[:-1]) if part in _SPLITS), None)
    told = {} if split is None else {"split": split}
    return _formula(raw, raw.pictures.image(str(name)), raw.record["formula"], str(name.with_suffix("")), told)


def read_formula_row(raw: Raw) -> Sample:
    """Return a row of `image` and `text`."""
    return _formula(raw, raw.given(raw.record.get("image")), text(raw.record, "text"), raw.name, {})


def open_hme100k(source: Source) -> list[NamedRows]:
    """Open files of a name, a tab and LaTeX tokens; or the folder that holds train_labels.txt."""
    place = Path(source.path)
    path = place / f"{source.split}_labels.txt" if place.is_dir() else place
    if not path.is_file():
        raise VL2Error(str(path), "no labels here", expected="train_labels.txt")
    lines = Lines(str(path))

    def look(number: str) -> dict[str, Any]:
        name, tab, formula = lines.line(int(number)).partition("\t")
        if not tab:
            raise RowError("a line without a tab")
        return {"image": name, "formula": formula}

    return [NamedRows(str(path), [str(number) for number in range(lines.num_lines)], look)]


def read_hme100k(raw: Raw) -> Sample:
    """Return a photo of a formula written by hand; its tokens stand apart, as LaTeX allows."""
    name = text(raw.record, "image")
    image = raw.pictures.first_of(f"{folder}{name}" for folder in ("", "train_images/", "train/", "test_images/"))
    return _formula(raw, image, raw.record["formula"], name, {})


def read_rendered_text(raw: Raw) -> Sample:
    """Return an image of written lines: `ocr_annotation.text` is a list of them, its boxes four points each."""
    told = raw.record["ocr_annotation"]
    lines = [line for line in told["text"] if isinstance(line, str)] if isinstance(told.get("text"), list) else None
    if not lines:
        raise RowError("an image without lines")
    boxes = told.get("bounding_boxes") or []
    if boxes and len(boxes) != len(told["text"]):
        raise RowError("boxes are not one for each line")
    objects = [SceneObject(line, around(points), 0, "line") for line, points in zip(lines, boxes, strict=False)]
    messages = asked(READ, "\n".join(lines))
    return Sample(name_of(raw.record, ("id",), raw.name), messages, (raw.given(),), tuple(objects))


def unwrapped(formula: str) -> str:
    """Return LaTeX without the signs of mathematics around it."""
    formula = formula.strip()
    for opening, closing in _WRAPPED:
        inner = formula[len(opening) : -len(closing)]
        if len(formula) > len(opening + closing) and formula.startswith(opening) and formula.endswith(closing):
            return inner.strip() if "$" not in inner else formula
    return formula


def _formula(raw: Raw, image: Any, formula: str, name: str, told: dict[str, Any]) -> Sample:
    latex = unwrapped(formula)
    return Sample(name, asked(FORMULA, latex), (image,), (), (latex,), provenance={**told, "latex": latex})


FORMULAS = {
    "latex_ocr": SourceFormat(
        open_rows=open_latex_ocr, read=read_latex_ocr, licence="MIT", url="https://github.com/lukas-blecher/LaTeX-OCR",
        fields={"file": "text", "number": "number", "formula": "text"},
    ),
    "latex_ocr_parquet": SourceFormat(
        open_rows=open_records_of, read=read_formula_row, licence="Apache-2.0",
        url="https://huggingface.co/datasets/linxy/LaTeX_OCR", fields={"image": "image", "text": "text"},
    ),
    "hme100k": SourceFormat(
        open_rows=open_hme100k, read=read_hme100k, licence="unknown", url="https://ai.100tal.com/dataset",
        fields={"file": "text", "image": "text", "formula": "text"},
    ),
    "rendered_text": SourceFormat(  # its card declares no licence
        open_rows=open_records_of, read=read_rendered_text, licence="unknown",
        url="https://huggingface.co/datasets/wendlerc/RenderedText",
        fields={"id": "text", "ocr_annotation": "mapping", "caption": "any?"},
    ),
}  # fmt: skip
