"""Every failure ends in one line on stderr and an exit code."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from vl2.core.errors import VL2Error

CHECK_FAILED, BAD_INPUT, UNEXPECTED = 1, 2, 70
INTERRUPTED, CLOSED_PIPE = 130, 141  # 128 and the number of the signal, as shells report them
EXIT_CODES = "Exit codes: 0 ok, 1 a check failed, 2 bad input, 70 an unexpected error, 130 interrupted."

_DEBUG = "vl2.debug"  # a key of the context's notes, which all commands of one run share


class GuardedGroup(TyperGroup):
    """The root of all commands: no trace reaches the user unless --debug asks for it."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments that stand before the command."""
        with guarded(lambda: False):
            return super().make_context(info_name, args, parent, **extra)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option --help. Without a default, reading its absence would import pydantic: a third of --help."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with guarded(lambda: bool(ctx.meta.get(_DEBUG))):
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a closed pipe is caught
            return result


def remember_debug(ctx: typer.Context, value: bool) -> bool:
    """Note that traces are wanted."""
    if value:
        ctx.meta[_DEBUG] = True
    return value


Debug = Annotated[bool, typer.Option("--debug", callback=remember_debug, help="Show traces of errors.")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="Change a setting: name=value.")]


@contextmanager
def guarded(is_debug: Any) -> Iterator[None]:
    """Turn exceptions into one line and an exit code."""
    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except VL2Error as error:
        _end(str(error), BAD_INPUT, is_debug())
    except typer.TyperException as error:  # the command line itself is wrong, or empty: then help was shown
        message = error.format_message().strip()
        _end(message and f"{message.rstrip('.')}. Try --help.", BAD_INPUT, is_debug())
    except KeyboardInterrupt:
        _end("Interrupted.", INTERRUPTED, is_debug())
    except BrokenPipeError:
        _drop_output()
        raise typer.Exit(CLOSED_PIPE) from None
    except ModuleNotFoundError as error:
        _end(_missing(error), BAD_INPUT, is_debug())
    except Exception as error:  # noqa: BLE001 - the last resort: a trace helps only who asked for it
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        line = f"Unexpected {type(error).__name__}: {reason}".rstrip(": ")
        _end(f"{line}. Run again with --debug to see where.", UNEXPECTED, is_debug())


def _missing(error: ModuleNotFoundError) -> str:
    """Say which of our extras brings what is not installed."""
    from importlib.metadata import requires

    name = (error.name or str(error)).partition(".")[0].replace("_", "-").lower()
    extras = []
    for told in requires("vl2") or ():
        requirement, _, marker = told.partition(";")
        is_it = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"](\w+)['\"]", marker)
        if is_it and extra and extra[1] != "dev" and is_it[0].replace("_", "-").lower() == name:
            extras.append(extra[1])
    how = f"pip install 'vl2[{extras[0]}]'" if extras else f"pip install {name}"
    return f"{name} is not installed, which this needs. Run: {how}"


def _end(line: str, code: int, show_trace: bool) -> NoReturn:
    if show_trace:
        traceback.print_exc()
    if line:
        typer.echo(" ".join(line.split()), err=True)
    raise typer.Exit(code)


def _drop_output() -> None:
    """Send what is still to be written nowhere: the interpreter flushes once more at its end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):  # no real stdout, as in tests
        pass
