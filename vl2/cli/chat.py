"""A conversation in the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vl2.cli import show
from vl2.cli.options import RunOptions
from vl2.cli.start import start
from vl2.core.errors import VL2Error, nearest

if TYPE_CHECKING:
    from vl2.engine.assistant import Assistant

HELP = "/image PATH adds an image to the next question, /reset starts anew, /quit ends; so does the end of the input."
COMMANDS = ("/image", "/reset", "/quit", "/help")


def chat(
    *,
    images: Annotated[list[str] | None, typer.Argument(metavar="IMAGE", help="For the first question.")] = None,
    run: RunOptions,
) -> None:
    """Talk about images, turn by turn: /image PATH, /reset, /quit."""
    session = ChatSession(start(run, images or ()), run)
    for image in images or ():
        session.add_image(image)
    typer.echo(HELP, err=True)
    while (line := _ask_for_line()) is not None:
        try:
            if not session.take(line):
                return
        except VL2Error as error:  # the conversation goes on
            typer.echo(str(error), err=True)


class ChatSession:
    """One conversation and the images that wait for its next question."""

    def __init__(self, assistant: Assistant, run: RunOptions) -> None:
        self.assistant = assistant
        self.run = run
        self.turns: list[dict[str, Any]] = []
        self.waiting: list[dict[str, Any]] = []  # content parts

    def take(self, line: str) -> bool:
        """Act on one line; False ends the conversation. Raises VL2Error, which leaves the conversation as it was."""
        word, _, rest = line.strip().partition(" ")
        match word:
            case "":
                return True
            case "/quit":
                return False
            case "/help":
                typer.echo(HELP, err=True)
            case "/reset":
                self.turns, self.waiting = [], []
            case "/image":
                self.add_image(rest.strip())
            case _ if word.startswith("/"):
                raise VL2Error(word, "unknown command", expected=", ".join(COMMANDS), do=nearest(word, COMMANDS))
            case _:
                self.ask(line.strip())
        return True

    def add_image(self, path: str) -> None:
        """See an image now; the next question is about it."""
        if not path:
            raise VL2Error("/image", "names no file", expected="/image PATH")
        encoded = self.assistant.encode_image(path, **self.run.budget())
        self.waiting += [{"type": "image", "image": encoded}, {"type": "text", "text": "\n"}]

    def ask(self, question: str) -> None:
        """Answer a question; Ctrl-C cuts the answer short, and what was said so far stands."""
        asked = [*self.turns, {"role": "user", "content": [*self.waiting, {"type": "text", "text": question}]}]
        pieces = self.assistant.chat(asked, stream=True, **self.run.settings())
        try:
            for piece in pieces:
                if not self.run.as_json:
                    show.show_piece(piece)
            answer = pieces.answer()
        except KeyboardInterrupt:
            answer = pieces.so_far()
        if self.run.as_json:
            show.show_json(show.answer_to_dict(answer))
        else:
            show.show_piece("\n")
        show.show_usage(answer)
        self.turns, self.waiting = [*asked, {"role": "assistant", "content": answer.text}], []


def _ask_for_line() -> str | None:
    """Return the next line of the user, None at the end of the input."""
    if sys.stdin.isatty():
        typer.echo("> ", err=True, nl=False)
    line = sys.stdin.readline()
    return line if line else None
