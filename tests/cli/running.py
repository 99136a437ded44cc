"""Run the command line in this process."""

from typer.testing import CliRunner, Result

from vl2.cli import app

SHORT = ("--max-new-tokens", "4")


def run(*words: str, lines: str = "") -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=lines)


def only_line(result: Result) -> str:
    """What a refused command says."""
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line
