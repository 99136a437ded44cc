"""A conversation in the terminal."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import vl2
from tests.cli.running import SHORT, run
from vl2.cli.chat import ChatSession
from vl2.cli.options import RunOptions
from vl2.engine.answer import AnswerStream
from vl2.engine.assistant import Assistant
from vl2.engine.conversation import read_conversation
from vl2.engine.events import StreamEvent
from vl2.engine.sampler import SamplingSettings


def test_chat_keeps_the_conversation(folder: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[object]] = []
    chat = Assistant.chat

    def spy(self: Assistant, messages: list[object], **settings: object) -> object:
        asked.append(messages)
        return chat(self, messages, **settings)  # type: ignore[call-overload]

    monkeypatch.setattr(Assistant, "chat", spy)
    lines = [
        f"/image {image}", "What?", "", "And?", "/image nothing.png", "/imag x", "/image",
        "/reset", "Again?", "/quit", "No",
    ]  # fmt: skip
    result = run("chat", "--model", str(folder), *SHORT, "--json", lines="\n".join(lines))
    assert result.exit_code == 0
    assert [len(messages) for messages in asked] == [1, 3, 1]
    assert [part["type"] for part in asked[0][0]["content"]] == ["image", "text", "text"]  # type: ignore[index]
    assert len(result.stdout.splitlines()) == 3
    assert "no such file" in result.stderr
    assert "Did you mean '/image'?" in result.stderr
    assert "names no file" in result.stderr


def test_an_interrupted_answer_leaves_what_was_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assistant = vl2.load(folder)
    session = ChatSession(assistant, RunOptions(max_new_tokens=4))

    def interrupted() -> Iterator[StreamEvent]:
        yield StreamEvent(row=0, token_ids=(5,), text="So")
        raise KeyboardInterrupt

    request = assistant.request(read_conversation([{"role": "user", "content": "?"}]), SamplingSettings())
    assistant.chat = lambda *_, **__: AnswerStream(request, interrupted())  # type: ignore[method-assign, assignment]
    assert session.take("Why?")
    assert session.turns[-1] == {"role": "assistant", "content": "So"}
    out, err = capsys.readouterr()
    assert out == "So\n"
    assert "ended by cancelled" in err
