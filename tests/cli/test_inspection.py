"""Looking inside: an image, a parity recording, the sizes."""

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.running import run


def test_inspect_image(folder: Path, image: str, tmp_path: Path) -> None:
    out = tmp_path / "layout.png"
    for words in (("inspect", "image", image), ("inspect", image)):
        record = json.loads(run(*words, "--model", str(folder), "--json", "--out", str(out)).stdout)
        assert (record["rows"], record["cols"], record["num_tiles"], record["visual_tokens"]) == (1, 2, 3, 121)
        assert record["thumbnail_tokens"] + record["separator_tokens"] + record["local_tokens"] == 121
        assert Image.open(out).size[1] > 192
    assert "visual_tokens      85" in run("inspect", image, "--model", str(folder), "--max-tiles", "1").stdout


def test_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vl2.cli.models.find_local", lambda name: None)
    rows = {row["name"]: row for row in map(json.loads, run("models", "--json").stdout.splitlines())}
    assert list(rows) == ["pocket", "tiny", "small", "base"]
    assert rows["tiny"]["num_parameters"] == 3_370_501_440
    assert rows["base"]["num_parameters"] == 27_480_134_248
    assert [round(rows[name]["num_activated"] / 1e9, 2) for name in ("tiny", "small", "base")] == [0.57, 2.45, 4.12]
    table = run("models").stdout
    assert "27.48 B" in table
    assert "55.0 GB" in table


def test_parity_exit_codes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Report:
        def __init__(self, is_ok: bool) -> None:
            self.is_ok = is_ok

        def table(self) -> str:
            return "vision ok"

    module = type(sys)("vl2.evaluation.parity")
    module.run_parity = lambda directory: Report("good" in str(directory))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vl2.evaluation.parity", module)
    assert run("inspect", "parity", "good").exit_code == 0
    result = run("inspect", "parity", "wrong")
    assert (result.exit_code, result.stdout) == (1, "vision ok\n")
