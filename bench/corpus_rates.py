"""Measure the corpus filters and deduplication: rows a second in one process, recall and precision on planted faults.

Texts have 200 words. Rates are by the processor time of this process, so that a busy machine does not change them, and
by the clock. Usage: `python -m bench.corpus_rates [--number 2000]`, with the `dev` extra.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.corpus.dedup.judged import judge, text_row
from tests.corpus.dedup.planted import VARIANTS, pairs, png, scene, vocabulary
from tests.corpus.labelled.rows import FILTERS, has_fault, read
from vl2.core.sample import ImageSource, Sample
from vl2.corpus.dedup.minhash import bands, signatures
from vl2.corpus.dedup.perceptual import hash_picture
from vl2.corpus.dedup.shingles import shingles_of
from vl2.corpus.drawing.chart.data import FIELD, Chart, ChartKind, Series, chart_to_dict
from vl2.corpus.drawing.chart.step import DrawChart
from vl2.corpus.filters.code_mix import code_mix
from vl2.corpus.filters.language import language
from vl2.corpus.filters.picture import picture
from vl2.corpus.filters.refusal import refusal
from vl2.corpus.filters.repetition import repetition
from vl2.corpus.filters.template import template
from vl2.corpus.filters.truncation import truncation
from vl2.corpus.pipelines.read_text import ReadText, reading_by
from vl2.corpus.pocket.canvas import Picture
from vl2.corpus.pocket.draw import TASKS, draw
from vl2.corpus.pocket.lettering import Style, faces, write_at
from vl2.corpus.rewriting import rewriting
from vl2.corpus.sandbox.page import find_browser, look_at_page
from vl2.processor import open_image

WORDS, SIDE = 200, 900


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=2000, help="texts of a rate; pairs of a recall are a quarter")
    number = parser.parse_args().number
    rng = random.Random(0)
    words = vocabulary(rng)
    texts = [" ".join(rng.choices(words, k=WORDS)) for _ in range(number)]
    print("rate                            rows/s of processor time, by the clock")
    for measure in (language, code_mix, repetition, truncation, refusal):
        rate(measure.__name__, lambda some, measure=measure: [measure(text) for text in some], texts)
    rate("template", lambda some: [template(text[:100], text) for text in some], texts)
    rate("MinHash, shingles to bands", lambda some: bands(signatures(shingles_of(some))), texts)
    picture_rates(number // 20)
    page_rates(number // 40)
    ocr_rates(number // 100)
    chart_rates(number // 20)
    print("\nMinHash: planted pairs that meet in a band")
    for low, high in ((0.9, 0.93), (0.85, 0.88), (0.8, 0.83), (0.48, 0.52)):
        print(f"  Jaccard {low:.2f} to {high:.2f}: {minhash_recall(number // 4, low, high):.4f}")
    print("\npictures: recall and precision of near_pictures")
    picture_recalls("scenes", [scene(seed) for seed in range(number // 10)])
    picture_recalls("drawn for pocket", drawn_pictures(max(1, number // 120)))
    print("\nlabelled rows: precision and recall")
    for name in FILTERS:
        for half in ("tune", "held"):
            print(f"  {name}, {half}: {labelled(name, half)}")


def rate(name: str, work: Callable[[Sequence[Any]], object], rows: Sequence[Any]) -> None:
    """Print how many rows a second some work takes, after a first part of it."""
    work(rows[: max(1, len(rows) // 10)])
    used, clock = time.process_time(), time.perf_counter()
    work(rows)
    used, clock = time.process_time() - used, time.perf_counter() - clock
    places = 2 if len(rows) < 100 * used else 0  # of what takes longer than 10 ms
    print(f"{name:30}  {len(rows) / used:10,.{places}f} {len(rows) / clock:10,.{places}f}", flush=True)


def picture_rates(number: int) -> None:
    """Print the rates of decoding with hashing and with measuring, of drawn pictures and of larger scenes."""
    drawn = [png(image) for image in drawn_pictures(max(1, number // 12))]
    large = [png(scene(seed, SIDE)) for seed in range(number)]
    for name, some in (("drawn", drawn), (f"{SIDE}x{SIDE * 3 // 4} PNG", large)):
        rate(f"decode + hash, {name}", lambda rows: [hash_picture(ImageSource(data=data)) for data in rows], some)
        rate(f"decode + picture, {name}", lambda rows: [picture(open_image(data)) for data in rows], some)


def ocr_rates(number: int) -> None:
    """Print the rates of RapidOCR with one thread on five lines in 900 x 600, by the longest side it looks at."""
    rows = [Sample("", (), (ImageSource(data=png(five_lines(seed))),)) for seed in range(max(2, number))]
    for side in (None, SIDE, 736):
        read = reading_by("read_text", 1, ReadText(longest_side=side)).run
        rate(f"OCR, {f'longest side {side}' if side else 'its own size'}", read, rows)


def five_lines(seed: int) -> Any:
    """Return a picture of five lines of words."""
    rng = random.Random(seed)
    words = vocabulary(rng, 20)
    paper = Picture(open_image(np.full((SIDE * 2 // 3, SIDE, 3), 255, np.uint8)), (255, 255, 255))
    for line in range(5):
        said = " ".join(rng.choices(words, k=4))
        write_at(paper, 60, 60 + 100 * line, said, Style(rng.choice(faces(False)), 32, (0, 0, 0)))
    return paper.image


def chart_rates(number: int) -> None:
    """Print the rate at which charts of made values are drawn and asked about."""
    dice = random.Random(0)
    kinds: tuple[ChartKind, ...] = ("bars", "horizontal", "pie", "histogram", "lines", "area")
    charts = [
        Chart(kind=dice.choice(kinds), language="en", title="Rain by town", x_name="Town", y_name="Rain (mm)", digits=0,
              names=tuple(f"Town {place}" for place in range(6)),
              series=(Series(name="Rain", values=tuple(dice.randint(5, 99) for _ in range(6))),))
        for _ in range(number)
    ]  # fmt: skip
    rows = [
        Sample(str(place), (), provenance={FIELD: chart_to_dict(one), "parents": []})
        for place, one in enumerate(charts)
    ]
    rate("charts drawn and asked about", rewriting("draw_chart", 1, DrawChart().change).run, rows)


def page_rates(number: int) -> None:
    """Print how many pages a second are shown with boxes of what stands on them: the clock tells, the browser works."""
    if find_browser() is None:
        return
    words = "The quick brown fox jumps over the lazy dog. 图层可以移动到另一个图层的下面。 " * 4
    pages = [f"<h1>Page {place}</h1><p>{words}</p><a href='#'>Next</a>" * 8 for place in range(number)]
    rate("page with its boxes", lambda some: [look_at_page(page, (1024, 768)) for page in some], pages)


def drawn_pictures(each: int) -> list[Any]:
    """Return pictures of every task of the drawn corpus."""
    samples = [draw(task, "train", 11, number) for task in TASKS for number in range(each)]
    return [open_image(image) for sample in samples for image in sample.images]


def minhash_recall(number: int, low: float, high: float) -> float:
    """Return the share of planted pairs with a band in common."""
    found = list(pairs(random.Random(4), number, low, high))
    one, other = (bands(signatures(shingles_of(texts))) for texts in zip(*found, strict=True))
    return float((one == other).any(axis=1).mean())


def picture_recalls(name: str, originals: Sequence[Any]) -> None:
    """Print, for each variant, the share refused for the right picture, and the share of those refused that are."""
    number = len(originals)
    for variant, change in VARIANTS.items():
        rows = [text_row("the same", png(image)) for image in (*originals, *map(change, originals))]
        with tempfile.TemporaryDirectory() as folder:
            refused = judge(Path(folder), "near_pictures", rows, block_rows=len(rows))
        right = sum(one.row >= number and one.because_of == rows[one.row - number].id for one in refused)
        print(f"  {number} {name}, {variant}: {right / number:.4f} {right / max(1, len(refused)):.4f}", flush=True)


def labelled(name: str, half: str) -> str:
    """Return precision and recall of a filter on its labelled rows, with 95 % intervals; then of those by hand."""
    rows = [(has_fault(name, row), row["label"] == 1, row["from"] == "by hand") for row in read(name, half)]
    return "; by hand ".join(_precision_recall(some) for some in (rows, [row for row in rows if row[2]]))


def _precision_recall(rows: Sequence[tuple[bool, bool, bool]]) -> str:
    right = sum(said and true for said, true, _ in rows)
    said, true = sum(said for said, _, _ in rows), sum(true for _, true, _ in rows)
    return f"{_share(right, said)}, {_share(right, true)} of {len(rows)} rows"


def _share(part: int, whole: int) -> str:
    """Return a share with Wilson's interval of 95 %."""
    share, z = part / whole, 1.96
    middle = (share + z * z / 2 / whole) / (1 + z * z / whole)
    width = z * (share * (1 - share) / whole + z * z / 4 / whole / whole) ** 0.5 / (1 + z * z / whole)
    return f"{share:.3f} [{middle - width:.3f}, {min(1.0, middle + width):.3f}]"


if __name__ == "__main__":
    main()
