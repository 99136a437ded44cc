"""One word, one thing (glossary in docs/architecture.md), and no text that only one machine understands.

Calls to eval and exec, bare except and missing docstrings are ruff's: see pyproject.toml.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = ("vl2/weights/", "vl2/hf/")  # these speak the words of the official files
# A word that the glossary replaces: (its replacement, the packages in which it can only mean the replaced thing).
# A dataclass field of the official configuration keeps its name, so fields and attributes are not looked at.
REPLACED = {
    "projector": ("adaptor", "vl2/"),
    "connector": ("adaptor", "vl2/"),
    "seperator": ("view_separator", "vl2/"),
    "image_newline": ("tile_newline", "vl2/"),
    "crop": ("tile", ("vl2/core/", "vl2/model/", "vl2/processor/")),
    "crops": ("tiles", ("vl2/core/", "vl2/model/", "vl2/processor/")),
}
TEXT = {".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".sh", ".html", ".css", ".js", ".cpp", ".h"}
UNWANTED_TEXT = {
    "a path of one machine": re.compile(r"(?:^|[^\w./])/(?:work|farm|root)/"),
    "a package host": re.compile(r"pypi\.org|pythonhosted\.org|download\.pytorch\.|deb\.debian\.|registry\.npmjs"),
}


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the functions, classes, arguments and variables that a file defines."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Assign(targets=targets):
                yield from ((node.lineno, target.id) for target in targets if isinstance(target, ast.Name))


def has_word(name: str, word: str) -> bool:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    return re.search(rf"(?:^|_){word}(?:_|$)", snake) is not None


def replaced_words(file: str, text: str) -> list[str]:
    """Return `file:line: problem` for each defined name that the glossary calls otherwise."""
    if file.startswith(FOREIGN):
        return []
    return [
        f"{file}:{line}: {name} says {word}; the word here is {better}"
        for line, name in defined_names(ast.parse(text))
        for word, (better, packages) in REPLACED.items()
        if file.startswith(packages) and has_word(name, word)
    ]


def tracked_text() -> Iterator[Path]:
    """Yield the files that a reader of the repository sees."""
    yield from (path for path in ROOT.iterdir() if path.suffix in TEXT or path.name == "Makefile")
    for folder in ("vl2", "tests", "docs", "examples", ".ci", "recipes"):
        found = (ROOT / folder).rglob("*") if (ROOT / folder).is_dir() else ()
        yield from (path for path in found if path.is_file() and (path.suffix in TEXT or path.parent.name == ".ci"))


def test_names_follow_the_glossary():
    problems = [
        problem
        for path in sorted((ROOT / "vl2").rglob("*.py"))
        for problem in replaced_words(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("file", "text", "num_problems"),
    [
        ("vl2/model/vlm.py", "class MlpProjector: ...", 1),
        ("vl2/model/vlm.py", "def load(projector): ...", 1),
        ("vl2/model/config.py", "class C:\n    projector_config: int = 0", 0),
        ("vl2/weights/names.py", "projector = {}", 0),
        ("vl2/processor/images.py", "def crop_image(): ...", 1),
        ("vl2/corpus/ocr.py", "def crop_image(): ...", 0),
        ("vl2/model/vlm.py", "micro, cropping = 1, 2", 0),
    ],
)
def test_the_word_check_itself(file, text, num_problems):
    assert len(replaced_words(file, text)) == num_problems


@pytest.mark.parametrize("what", UNWANTED_TEXT)
def test_text_holds_on_every_machine(what):
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in tracked_text()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNWANTED_TEXT[what].search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)
