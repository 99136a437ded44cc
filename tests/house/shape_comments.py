"""Shape comments as data: where they stand in a source file, and whether a shape fits one."""

from __future__ import annotations

import ast
import io
import itertools
import operator
import re
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).parents[2]
Legend = Mapping[str, int | tuple[int, ...]]
COMMENT = re.compile(r"#\s*((?:\[[^\[\]]*\](?:,\s*)?)+)")
MAX_FREE_LETTERS = 2  # an expression with more letters of unknown size cannot be solved, and holds nothing
OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


@dataclass(frozen=True)
class Site:
    """One comment: the dimensions it claims, and the names assigned on its line (none where a value is returned)."""

    file: str
    line: int
    comment: str
    shapes: tuple[tuple[ast.expr, ...], ...] = field(hash=False, compare=False)
    targets: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.comment}"


class Letters:
    """The sizes that letters have in one function call, and the line that bound each."""

    def __init__(self, legend: Legend) -> None:
        self.legend = legend
        self.bound: dict[str, tuple[int, int]] = {}  # letter: (size, line)

    def sizes(self, letter: str, largest: int) -> list[int]:
        """Return the sizes that a letter may have in a dimension of size `largest`."""
        if letter in self.bound:
            return [self.bound[letter][0]]
        known = self.legend.get(letter)
        if known is None:
            return list(range(1, largest + 1))
        return list(known) if isinstance(known, tuple) else [known]

    def is_free(self, letter: str) -> bool:
        """Tell whether any size would do."""
        return letter not in self.bound and letter not in self.legend

    def bind(self, sizes: Mapping[str, int], line: int) -> None:
        """Keep sizes for the rest of the call."""
        for letter, size in sizes.items():
            self.bound.setdefault(letter, (size, line))

    def release(self, first: int, last: int) -> None:
        """Forget letters that lines `first`..`last` have bound: a loop starts its next round."""
        self.bound = {k: (size, line) for k, (size, line) in self.bound.items() if not first <= line <= last}


def match_shape(dims: tuple[ast.expr, ...], shape: tuple[int, ...], letters: Letters, line: int) -> str:
    """Return what is wrong with a shape, or an empty string; letters that it settles are bound."""
    dots = [i for i, dim in enumerate(dims) if isinstance(dim, ast.Constant) and dim.value is ...]
    if dots:
        before, after = dots[0], len(dims) - dots[0] - 1
        if len(shape) < before + after:
            return f"rank is {len(shape)}, expected at least {before + after}"
        dims = dims[:before] + dims[before + 1 :]
        shape = shape[:before] + shape[len(shape) - after :]
    if len(dims) != len(shape):
        return f"rank is {len(shape)}, expected {len(dims)}"
    problems = [_match_size(dim, size, letters, line) for dim, size in zip(dims, shape, strict=True)]
    return "; ".join(problem for problem in problems if problem)


def _match_size(dim: ast.expr, size: int, letters: Letters, line: int) -> str:
    if isinstance(dim, ast.Name) and letters.is_free(dim.id):
        letters.bind({dim.id: size}, line)
        return ""
    names = sorted({node.id for node in ast.walk(dim) if isinstance(node, ast.Name)})
    if sum(letters.is_free(name) for name in names) > MAX_FREE_LETTERS:
        return ""
    choices = [letters.sizes(name, size) for name in names]
    possible = [dict(zip(names, sizes, strict=True)) for sizes in itertools.product(*choices)]
    fitting = [sizes for sizes in possible if _value(dim, sizes) == size]
    if not fitting:
        known = [f"{n}={'|'.join(map(str, c))}" for n, c in zip(names, choices, strict=True) if not letters.is_free(n)]
        return f"{size} is not {ast.unparse(dim)}" + (f" ({', '.join(known)})" if known else "")
    if len(fitting) == 1:
        letters.bind(fitting[0], line)
    return ""


def _value(dim: ast.expr, sizes: Mapping[str, int]) -> Fraction:
    match dim:
        case ast.Constant(value=int() as number):
            return Fraction(number)
        case ast.Name(id=letter):
            return Fraction(sizes[letter])
        case ast.BinOp(left=left, op=op, right=right):
            return OPERATORS[type(op)](_value(left, sizes), _value(right, sizes))
    raise ValueError(f"not a dimension: {ast.unparse(dim)}")


def _is_dimension(dim: ast.expr) -> bool:
    match dim:
        case ast.Constant(value=value):
            return value is ... or type(value) is int
        case ast.Name():
            return True
        case ast.BinOp(left=left, op=op, right=right):
            return type(op) in OPERATORS and _is_dimension(left) and _is_dimension(right)
    return False


class Source:
    """The shape comments of one file, by what they speak of."""

    def __init__(self, module: str, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        self.module = module
        self.file = str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name)
        self.by_line: dict[int, Site] = {}  # statements, under each of their lines
        self.arguments: dict[int, dict[str, Site]] = {}  # by the first line of the function
        self.fields: dict[str, dict[str, Site]] = {}  # by the qualified name of the class
        self.loops: dict[int, int] = {}  # first line: last line
        self._comments = dict(_trailing_comments(text))
        self._taken: dict[int, Site] = {}
        self._visit(ast.parse(text), "")

    @property
    def sites(self) -> list[Site]:
        """Return all comments that can be checked."""
        return list(self._taken.values())

    @property
    def unreadable(self) -> list[str]:
        """Return `file:line: comment` of all others."""
        return [f"{self.file}:{line}: {text}" for line, text in self._comments.items() if line not in self._taken]

    def _visit(self, node: ast.AST, qualname: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = qualname
            match child:
                case ast.ClassDef():
                    name = f"{qualname}.{child.name}".lstrip(".")
                    self._add_fields(child, name)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    name = f"{qualname}.{child.name}.<locals>".lstrip(".")
                    self._add_arguments(child)
                case ast.For() | ast.While():
                    self.loops[child.lineno] = child.end_lineno or child.lineno
                case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return():
                    self._add_statement(child)
            self._visit(child, name)

    def _add_statement(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return) -> None:
        targets: tuple[str, ...] = ()
        if not isinstance(node, ast.Return):
            targets = _targets(node.targets[-1] if isinstance(node, ast.Assign) else node.target)
        if node.value is None or (not targets and not isinstance(node, ast.Return)):
            return
        if site := self._site(node.end_lineno or node.lineno, targets):
            self.by_line |= dict.fromkeys(range(node.lineno, site.line + 1), site)

    def _add_arguments(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        lines = [argument.lineno for argument in arguments]
        for argument in arguments:
            if lines.count(argument.lineno) == 1 and (site := self._site(argument.lineno, (argument.arg,))):
                self.arguments.setdefault(first, {})[argument.arg] = site

    def _add_fields(self, node: ast.ClassDef, qualname: str) -> None:
        for item in node.body:
            match item:
                case ast.AnnAssign(target=ast.Name(id=name)):
                    if site := self._site(item.end_lineno or item.lineno, (name,)):
                        self.fields.setdefault(qualname, {})[name] = site

    def _site(self, line: int, targets: tuple[str, ...]) -> Site | None:
        comment = self._comments.get(line)
        if comment is None or line in self._taken:
            return self._taken.get(line) if comment else None
        shapes = _parse(comment)
        if shapes is not None:
            self._taken[line] = Site(self.file, line, comment, shapes, targets)
        return self._taken.get(line)


def _trailing_comments(text: str) -> Iterator[tuple[int, str]]:
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (found := COMMENT.match(token.string)):
            line, column = token.start
            if lines[line - 1][:column].strip():
                yield line, found[1].strip().rstrip(",")


def _parse(comment: str) -> tuple[tuple[ast.expr, ...], ...] | None:
    """Return the dimensions of each shape; None when one of them is not arithmetic of letters and numbers."""
    text = re.sub(r"(?<!\.)\.\.(?!\.)", "...", comment)
    try:
        tree = ast.parse(f"({text},)", mode="eval").body
    except SyntaxError:
        return None
    shapes = tree.elts if isinstance(tree, ast.Tuple) else []
    if not all(isinstance(shape, ast.List) and all(map(_is_dimension, shape.elts)) for shape in shapes):
        return None
    return tuple(tuple(shape.elts) for shape in shapes if isinstance(shape, ast.List))


def _targets(node: ast.expr) -> tuple[str, ...]:
    """Return the dotted names that a target assigns; none when a part of it is neither name nor attribute."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    if all(_is_dotted(part) for part in parts):
        return tuple(ast.unparse(part) for part in parts)
    return ()


def _is_dotted(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) or (isinstance(node, ast.Attribute) and _is_dotted(node.value))
