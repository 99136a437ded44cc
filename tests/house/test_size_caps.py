"""One concept a file, named for it: caps on files and functions, and names that say nothing."""

from __future__ import annotations

import ast
import warnings
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES, SOFT_FILE_LINES, MAX_FUNCTION_LINES = 400, 250, 80
EMPTY_NAMES = {"utils", "helpers", "common", "misc", "tools", "base"}
FILES = sorted(path for folder in ("vl2", "tests") for path in (ROOT / folder).rglob("*.py"))


def test_no_file_is_too_long():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {name: lines for name, lines in lengths.items() if lines > SOFT_FILE_LINES}
    too_long = {name: lines for name, lines in long.items() if lines > MAX_FILE_LINES}
    assert not too_long, f"over {MAX_FILE_LINES} lines, find the second concept: {too_long}"
    if long:
        listed = "\n".join(f"{lines} {name}" for name, lines in sorted(long.items(), key=lambda item: -item[1]))
        warnings.warn(f"files over {SOFT_FILE_LINES} lines, look for the second concept:\n{listed}", stacklevel=1)


def test_no_function_is_too_long():
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {lines} lines"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert not too_long, f"functions over {MAX_FUNCTION_LINES} lines:\n" + "\n".join(too_long)


def test_modules_are_named_for_what_they_hold():
    named = {path.relative_to(ROOT): {path.stem, *path.relative_to(ROOT).parts[:-1]} for path in FILES}
    empty = [str(path) for path, names in named.items() if names & EMPTY_NAMES]
    assert not empty, f"names that say nothing: {empty}"
