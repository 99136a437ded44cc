"""Teach pocket a new object from 200 boxed pictures, and measure whether it finds it in 100 others, on a CPU.

The object is a mug, drawn among three to six figures that pocket knows; the labels are COCO's. Old samples are replayed
from `vl2 corpus draw recipes/pocket/replay.yaml`. What the old tasks lose, `vl2 eval run pocketbench` tells, with
`--adapter OUT/run/best` and without.
Usage: `python bench/new_object.py --out FOLDER [--replay runs/replay/data] [--set epochs=10]`
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import vl2
from vl2.core.boxes import Box
from vl2.core.settings import build, override
from vl2.corpus.pocket.canvas import Split
from vl2.corpus.pocket.figures import SHAPES
from vl2.corpus.pocket.scene import Figure, Scene, draw_scene, pick_ground, pick_looks, visible_colours
from vl2.train.tuning.finetune_config import FinetuneConfig
from vl2.train.tuning.finetune_run import build_finetuner
from vl2.train.watch import StepFigures

OBJECT = "mug"
NUM_TRAIN, NUM_HELD_OUT = 200, 100
TRAIN_SEED, HELD_OUT_SEED = 301, 302
LEAST_IOU = 0.5


def mug(pen: Any, size: float) -> None:
    """Draw a body with a rim and an open handle, as SHAPES are drawn."""
    pen.ellipse((size * 0.5, size * 0.26, size - 1, size * 0.78), fill=255)
    pen.ellipse((size * 0.62, size * 0.38, size * 0.88, size * 0.66), fill=0)
    pen.rounded_rectangle((0, size * 0.06, size * 0.7, size * 0.96), radius=size * 0.1, fill=255)
    pen.ellipse((size * 0.08, size * 0.12, size * 0.62, size * 0.26), fill=0)


def scene_with_mug(rng: random.Random, split: Split) -> tuple[Scene, Figure]:
    """Draw one mug among three to six other figures."""
    while True:
        ground = pick_ground(rng)
        colours = visible_colours(ground)
        others = [look for look in pick_looks(rng, rng.randint(3, 6), colours) if look[1] != OBJECT]
        scene = draw_scene(rng, split, [(rng.choice(colours), OBJECT), *others], ground)
        mugs = scene.with_shape(OBJECT)
        if mugs:
            return scene, mugs[0]


def write_pictures(folder: Path, split: Split, seed: int, count: int) -> list[tuple[Path, Box]]:
    """Draw pictures and COCO labels; return each file and where its mug is."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    found: list[tuple[Path, Box]] = []
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(count):
        scene, one = scene_with_mug(rng, split)
        path, size = folder / f"{number:04}.png", {"width": scene.picture.width, "height": scene.picture.height}
        path.write_bytes(scene.picture.encode(rng).data or b"")
        left, top, right, bottom = one.box
        found.append((path, Box.from_pixels(left, top, right, bottom, **size)))
        images.append({"id": number, "file_name": path.name, **size})
        box = [left, top, right - left, bottom - top]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": box})
    labels = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": OBJECT}]}
    (folder / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    return found


def accuracy(adapter: Path | None, pictures: list[tuple[Path, Box]]) -> float:
    """Return in how many pictures the first box that is answered overlaps the mug's by half, of 1."""
    assistant = vl2.load(adapter=adapter)
    answers = (assistant.detect(path, OBJECT).boxes for path, _ in pictures)
    hits = [bool(boxes) and boxes[0].iou(box) >= LEAST_IOU for boxes, (_, box) in zip(answers, pictures, strict=True)]
    return sum(hits) / len(hits)


def measure(out: Path, replay: str, assignments: list[str]) -> dict[str, Any]:
    """Draw, fine-tune and measure."""
    SHAPES[OBJECT] = mug
    write_pictures(out / "train", "train", TRAIN_SEED, NUM_TRAIN)
    held_out = write_pictures(out / "held_out", "heldout", HELD_OUT_SEED, NUM_HELD_OUT)
    values = {
        "data": (str(out / "train" / "labels.json"),), "out": str(out / "run"), "replay": (replay,),
        "replay_share": 0.6, "learning_rate": 1e-3, "epochs": 22.0,
    }  # fmt: skip
    before = accuracy(None, held_out)
    began = time.monotonic()
    build_finetuner(build(FinetuneConfig, override(values, assignments), thing="finetune")).run(show)
    seconds = round(time.monotonic() - began)
    after = accuracy(out / "run" / "best", held_out)
    return {"pictures": NUM_TRAIN, "held_out": NUM_HELD_OUT, "before": before, "after": after, "seconds": seconds}


def show(figures: StepFigures) -> None:
    """Print a step at which the held-out share of the training pictures was looked at."""
    if figures.held_out:
        print(figures.step, round(figures.loss, 4), figures.held_out, flush=True)


def main() -> None:
    """Measure, print and write figures.json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--replay", default="runs/replay/data")
    parser.add_argument("--set", dest="assignments", action="append", default=[])
    options = parser.parse_args()
    found = json.dumps(measure(options.out, options.replay, options.assignments), indent=2)
    (options.out / "figures.json").write_text(found + "\n", encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()
