"""External packages are used where pyproject.toml says, and nowhere else in vl2.

Ruff's TID251 knows one list of banned packages and opens it to a file whole or not at all. The messages of that list
name the places of each package; this test holds every place apart.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
BANNED = SETTINGS["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
PLACES = {name: re.findall(r"vl2/[\w/]*\w(?:/|\*)", entry["msg"]) for name, entry in BANNED.items()}


def imported_modules(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield from ((node.lineno, f"{module}.{alias.name}") for alias in names)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield node.lineno, module


def crossings(file: str, text: str) -> list[str]:
    """Return `file:line: rule` for each import on the wrong side of a border."""
    return [
        f"{file}:{line}: {BANNED[name]['msg']}"
        for line, module in imported_modules(ast.parse(text))
        for name, places in PLACES.items()
        if f"{module}.".startswith(f"{name}.")
        and not any(fnmatch(file, place if place.endswith("*") else f"{place}*") for place in places)
    ]


def test_no_import_crosses_a_border():
    found = [
        crossing
        for path in sorted((ROOT / "vl2").rglob("*.py"))
        for crossing in crossings(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("file", "text", "is_allowed"),
    [
        ("vl2/corpus/run_ray.py", "import ray.data", True),
        ("vl2/serve/ray_app.py", "from ray import serve", True),
        ("vl2/serve/app.py", "import ray", False),
        ("vl2/train/loop.py", "import torch.distributed as dist", True),
        ("vl2/corpus/filters.py", "from torch import distributed", False),
        ("vl2/model/vlm.py", "import torch.distributed.tensor", False),
        ("vl2/kernels/triton_moe.py", "import triton.language as tl", True),
        ("vl2/kernels/sdpa.py", "import triton", False),
        ("vl2/corpus/ocr.py", "from PIL import Image", True),
        ("vl2/evaluation/run.py", "from PIL import Image", False),
        ("vl2/train/loop.py", "import transformers", False),
        ("vl2/corpus/ocr.py", "import torchvision", False),
        ("vl2/engine/engine.py", "import rays", True),
    ],
)
def test_the_border_check_itself(file, text, is_allowed):
    assert (crossings(file, text) == []) is is_allowed
