"""The five commands of docs/training.md, from a folder of pictures with labels to a served model, on a toy's size."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw

from tests.cli.running import run
from tests.serve.process import serving_process
from vl2.weights import load_model

ROOT = Path(__file__).parents[2]
NUM_PICTURES = 6
TOY = {  # what is added to a command of the page
    "corpus": ["--set", "train={shapes: 4, ground: 4}", "--set", "heldout={shapes: 2}"],
    "train": ["--epochs", "1", "--lora", "2", "--set", "batch_size=4", "--set", "eval_every=1"],
}


def commands() -> list[list[str]]:
    """Return the words of each command of the page."""
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"to a served model:\n\n```\n(.*?)```", page, re.DOTALL)
    return [shlex.split(line, comments=True) for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Go to a folder with the recipes and labelled photos."""
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    photos = tmp_path / "photos"
    photos.mkdir()
    images, annotations = [], []
    for number in range(1, NUM_PICTURES + 1):
        picture, left = Image.new("RGB", (96, 96), "white"), 8 * number
        ImageDraw.Draw(picture).rectangle((left, 20, left + 30, 60), fill="brown")
        picture.save(photos / f"{number:04}.png")
        images.append({"id": number, "file_name": f"{number:04}.png", "width": 96, "height": 96})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": [left, 20, 30, 40]})
    labels = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "mug"}]}
    (photos / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer_of_server(model: str, picture: Path) -> dict:
    """Serve the model, ask it for the mug's box, and stop the server."""
    with serving_process(model) as served:
        (row,) = httpx.get(f"{served.address}/v1/models").json()["data"]
        url = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": "<|ref|>mug<|/ref|>"}]
        body = {"model": row["id"], "messages": [{"role": "user", "content": content}], "max_tokens": 40}
        answer = httpx.post(f"{served.address}/v1/chat/completions", json=body, timeout=60).raise_for_status().json()
    assert served.stop()[0] == 0
    return answer


def test_every_command_of_the_page_does_what_it_says(folder):
    draw, finetune, detect, merge, serve = (words[1:] + TOY.get(words[1], []) for words in commands())
    assert run(*draw).exit_code == 0
    done = run(*finetune)
    assert done.exit_code == 0, done.output
    found = run(*detect)
    assert found.exit_code == 0, found.output
    assert Image.open(folder / "found.png").size == (96, 96)
    assert run(*merge).exit_code == 0
    load_model(folder / "runs/mugs/model")
    verb, model = serve
    assert verb == "serve"
    answer = answer_of_server(model, folder / "photos" / "0001.png")
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0
