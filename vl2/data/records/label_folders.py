"""Folders of labels: YOLO, one line a box beside each image, and LabelMe, one JSON file an image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import Sample
from vl2.core.settings import load_yaml
from vl2.data.faults import Fault, RowError, fault_of
from vl2.data.records.boxed import NO_BOX, box_within, boxed_samples
from vl2.data.records.files import is_file
from vl2.data.records.root import Root

IMAGE_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"}
_MAX_LABEL_BYTES = 1 << 20


def is_yolo(folder: Path) -> bool:
    """Tell whether the folder has the classes of a YOLO data set."""
    return any(is_file(folder / name) for name in ("data.yaml", "classes.txt"))


def is_labelme(document: Mapping[str, Any]) -> bool:
    """Tell whether a JSON file is LabelMe's."""
    return "shapes" in document and "imagePath" in document


def read_yolo(folder: Path) -> Iterator[Sample | Fault]:
    """Yield the boxes of each image below `folder`, one Sample a label; an image without labels shows nothing.

    Where data.yaml names folders to train on, those alone are read.
    """
    names, root = _class_names(folder), Root(str(folder))
    files = {path for learned in _training_folders(folder) for path in learned.rglob("*")}
    for image in sorted(path for path in files if path.suffix.lower() in IMAGE_ENDINGS):
        labels = _labels_of(image.relative_to(folder))
        file = next((folder / path for path in labels if (folder / path).is_file()), None)
        if file is None:
            continue
        boxes: list[tuple[str, Box]] = []
        for found in _yolo_boxes(file, names):
            if isinstance(found, Fault):
                yield found
            else:
                boxes.append(found)
        try:
            name = image.relative_to(folder).as_posix()
            yield from boxed_samples(name, root.image(name), boxes)
        except RowError as error:
            yield fault_of(error)


def read_labelme(path: str, document: Mapping[str, Any], root: Root) -> Iterator[Sample | Fault]:
    """Yield the boxes of the image that one LabelMe file describes; of a shape that is no box, the box around it."""
    try:
        width, height = float(document["imageWidth"]), float(document["imageHeight"])
        boxes = []
        for shape in document["shapes"]:
            xs, ys = zip(*_corners(shape), strict=True)
            box = box_within(min(xs), min(ys), max(xs), max(ys), width, height)
            if box is None:
                yield NO_BOX
            else:
                boxes.append((str(shape["label"]), box))
        folder = Path(path).resolve().parent
        beside = folder.relative_to(root.location) if folder.is_relative_to(root.location) else Path()
        image = root.image(f"{beside.as_posix()}/{document['imagePath']}")
        yield from boxed_samples(Path(path).stem, image, boxes)
    except RowError as error:
        yield fault_of(error)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, OverflowError):
        yield Fault("a LabelMe file misses a field or has one of the wrong type")


def _corners(shape: Mapping[str, Any]) -> Sequence[Sequence[float]]:
    """Return points whose extremes are those of a shape; of a circle, LabelMe keeps the middle and a point of it."""
    points = shape["points"]
    if shape.get("shape_type") != "circle":
        return points
    (x, y), other = points
    radius = math.dist((x, y), other)
    return [(x - radius, y - radius), (x + radius, y + radius)]


def _training_folders(folder: Path) -> list[Path]:
    """Return the folders below `folder` that data.yaml trains on; without any that are there, all of it.

    They may be told from `path`, from the file, or, as exports write it, from a folder beside it: `../train/images`.
    """
    settings = load_yaml(folder / "data.yaml") if is_file(folder / "data.yaml") else {}
    told = settings.get("train")
    entries = [entry for entry in (told if isinstance(told, list) else [told]) if isinstance(entry, str)]
    base, found = str(settings.get("path") or ""), []
    for entry in entries:
        tried = (folder / entry, folder / base / entry, folder / entry.removeprefix("../"))
        found += [path for path in tried if path.is_dir() and path.resolve().is_relative_to(folder.resolve())][:1]
    return found or [folder]


def _class_names(folder: Path) -> dict[int, str]:
    """Return the classes by number, from data.yaml (a list or a mapping) or classes.txt (one a line)."""
    settings = folder / "data.yaml"
    if not settings.is_file():
        lines = (folder / "classes.txt").read_text(encoding="utf-8", errors="replace").splitlines()
        return dict(enumerate(line.strip() for line in lines))
    names = load_yaml(settings).get("names")
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict):
        raise VL2Error(str(settings), "names no classes", expected="names: a list or a mapping")
    if not all(str(number).isdecimal() for number in names):
        raise VL2Error(str(settings), "a class has no number", got=str(list(names))[:80], expected="0: a name, 1: ..")
    return {int(number): str(name) for number, name in names.items()}


def _labels_of(image: Path) -> list[Path]:
    """Return where the labels of an image may lie: `images` becomes `labels`, or beside the image."""
    parts = list(image.parts)
    beside = [image.with_suffix(".txt")]
    if "images" not in parts[:-1]:
        return beside
    parts[len(parts) - 2 - parts[-2::-1].index("images")] = "labels"
    return [Path(*parts).with_suffix(".txt"), *beside]


def _yolo_boxes(file: Path, names: Mapping[int, str]) -> Iterator[tuple[str, Box] | Fault]:
    """Read `class x y width height` in shares of the image; of a polygon, `class x1 y1 x2 y2 ..`, the box around it."""
    if file.stat().st_size > _MAX_LABEL_BYTES:
        yield Fault("a file of labels is too large")
        return
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.strip():
            continue
        try:
            number, *values = map(float, line.split())
            label = names[int(number)]
        except (ValueError, OverflowError):
            yield Fault("a line of labels is not numbers")
            continue
        except KeyError:
            yield Fault("a class that is not listed")
            continue
        if len(values) == 4:
            x, y, width, height = values
            box = box_within(x - width / 2, y - height / 2, x + width / 2, y + height / 2, 1, 1)
        elif len(values) >= 6 and len(values) % 2 == 0:
            xs, ys = values[::2], values[1::2]
            box = box_within(min(xs), min(ys), max(xs), max(ys), 1, 1)
        else:
            yield Fault("a line of labels has the wrong length")
            continue
        yield NO_BOX if box is None else (label, box)
