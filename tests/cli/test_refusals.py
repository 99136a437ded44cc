"""One line and an exit code for everything that goes wrong."""

import json
import struct
import zlib
from pathlib import Path

import pytest

from tests.cli.running import only_line, run
from vl2.engine.assistant import Assistant

BAD_FILES = {
    "empty.png": b"",
    "text.png": b"hello, this is no image",
    "cut.png": None,  # half of a real one
    "huge.png": None,  # a header that promises 30,000 x 30,000 pixels
}


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory, image: str) -> Path:
    directory = tmp_path_factory.mktemp("bad")
    data = Path(image).read_bytes()
    for name, content in BAD_FILES.items():
        (directory / name).write_bytes(content or b"")
    (directory / "cut.png").write_bytes(data[: len(data) // 2])
    header = struct.pack(">4sIIBBBBB", b"IHDR", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (directory / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data + b"\0\0\0\0IDAT" + bytes(4))
    return directory


@pytest.mark.parametrize("name", [*BAD_FILES, "missing.png", "."])
@pytest.mark.parametrize("verb", ["ask", "detect", "caption", "inspect"])
def test_bad_images(folder: Path, bad: Path, verb: str, name: str) -> None:
    words = {"ask": ["What?"], "detect": ["a dot"], "caption": [], "inspect": []}[verb]
    result = run(verb, str(bad / name), *words, "--model", str(folder))
    assert result.exit_code == 2
    assert only_line(result).startswith("image ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ask", "IMAGE", ""], "question: is empty"),
        (["detect", "IMAGE", "  "], "phrase: is empty"),
        (["ask", *["IMAGE"] * 40, "What?"], "too many images"),
        (["ask", "IMAGE", "What?", "--temperature", "-1"], "temperature: out of range"),
        (["ask", "IMAGE", "What?", "--max-new-tokens", "0"], "max_new_tokens: out of range"),
        (["ask", "IMAGE", "What?", "--dtype", "int3"], "dtype: unknown"),
        (["ask", "IMAGE", "What?", "--device", "tpu9"], "device"),
        (["ask", "IMAGE", "What?", "--max-tiles", "0"], "max_tiles"),
        (["ask", "IMAGE", "What?", "--temprature", "1"], "No such option"),
        (["ask", "IMAGE", "What?", "--seed", "x"], "--seed"),
        (["ask", "IMAGE", "What?", "--draft-tokens", "-1"], "--draft-tokens"),
        (["ask"], "Missing argument"),
        (["caption", "IMAGE", "--length", "huge"], "--length"),
        (["pronounce", "IMAGE"], "No such command"),
        (["--loud"], "No such option"),
    ],
)
def test_bad_words(folder: Path, image: str, words: list[str], message: str) -> None:
    model = ["--model", str(folder)] if words[0] in ("ask", "detect", "caption") else []
    result = run(*[image if word == "IMAGE" else word for word in words], *model)
    assert result.exit_code == 2
    assert message in only_line(result)


def broken(folder: Path, copy: Path, **changes: object) -> Path:
    """A copy of the checkpoint with other fields of the language config, None removes the file named."""
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    config = json.loads((copy / "config.json").read_text())
    config["language_config"] |= changes
    (copy / "config.json").write_text(json.dumps(config))
    return copy


def test_broken_checkpoints(folder: Path, image: str, tmp_path: Path) -> None:
    def refused(model: Path | str) -> str:
        result = run("ask", image, "What?", "--model", str(model))
        assert result.exit_code == 2
        return only_line(result)

    assert "shape" in refused(broken(folder, tmp_path / "size", moe_intermediate_size=64))
    assert "unknown field 'hiden_size'" in refused(broken(folder, tmp_path / "field", hiden_size=1))
    smaller = broken(folder, tmp_path / "tokenizer")
    tokenizer = json.loads((smaller / "tokenizer.json").read_text())
    tokenizer["added_tokens"] = [token for token in tokenizer["added_tokens"] if token["content"] != "<image>"]
    tokenizer["model"]["vocab"]["filler"] = 260
    (smaller / "tokenizer.json").write_text(json.dumps(tokenizer))
    assert "tokenizer" in refused(smaller)
    (tmp_path / "empty").mkdir()
    assert "config.json" in refused(tmp_path / "empty")
    assert "no such directory" in refused("pockett")


def test_unexpected_errors_end_in_one_line(folder: Path, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a\nb")

    monkeypatch.setattr(Assistant, "caption", fail)
    result = run("caption", image, "--model", str(folder))
    assert result.exit_code == 70
    assert only_line(result) == "Unexpected ZeroDivisionError: a. Run again with --debug to see where."


@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("rapidfuzz.distance", "pip install 'vl2[evaluation]'"),
        ("sse_starlette", "pip install 'vl2[serve]'"),
        ("nothing_of_ours", "pip install nothing-of-ours"),
    ],
)
def test_what_is_not_installed_is_told_with_what_brings_it(
    folder: Path, image: str, monkeypatch: pytest.MonkeyPatch, module: str, command: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError(f"No module named {module!r}", name=module)

    monkeypatch.setattr(Assistant, "caption", fail)
    result = run("caption", image, "--model", str(folder))
    assert (result.exit_code, only_line(result).endswith(f"Run: {command}")) == (2, True), result.stderr
