"""The page on `vl2 serve` itself, with the bundled model: what a person does, and boxes where the API says they are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from PIL import Image, ImageChops

pytest.importorskip("fastapi", reason="needs the extra serve")

from tests.serve.page.steps import EXAMPLES, ask, attach, decoded, finished, sent_pictures, sent_text, until
from tests.serve.process import Served, serving_process
from tests.serve.serving import Running, running
from vl2.engine.assistant import Assistant

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
IS_WIDE = "document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth"
MARKED = re.compile(r"<\|det\|>.*?<\|/det\|>|<\|/?\w+\|>")  # what the page shows in another way
ORIGINAL = Image.open(EXAMPLES / "shapes.png").convert("RGB")
STEP_S = 0.15


@pytest.fixture(scope="module")
def started(browser: Any) -> Iterator[Served]:
    """`vl2 serve` as a process; asks for the browser first, so that nothing is started where there is none."""
    with serving_process("pocket") as served:
        yield served


@pytest.fixture
def server(started: Served) -> Served:
    return started


@pytest.fixture
def sent(page: Any) -> list[dict[str, Any]]:
    """The bodies of chat requests, as the browser sends them."""
    bodies: list[dict[str, Any]] = []
    page.on(
        "request",
        lambda request: bodies.append(request.post_data_json) if request.url.endswith("/chat/completions") else None,
    )
    return bodies


def answer_of(server: Served, body: dict[str, Any]) -> dict[str, Any]:
    """Ask the API the same, not as a stream."""
    asked = {name: value for name, value in body.items() if name not in ("stream", "stream_options")}
    found = httpx.post(f"{server.address}/v1/chat/completions", json=asked, timeout=120).raise_for_status()
    return found.json()["choices"][0]["message"]


def places(figure: Any) -> list[tuple[float, float, float, float]]:
    """Return the boxes on a figure, as shares of the picture."""
    frame = figure.locator("img").bounding_box()
    marks = [mark.bounding_box() for mark in figure.locator(".mark.box").all()]
    return [
        (
            (mark["x"] - frame["x"]) / frame["width"], (mark["y"] - frame["y"]) / frame["height"],
            (mark["x"] + mark["width"] - frame["x"]) / frame["width"],
            (mark["y"] + mark["height"] - frame["y"]) / frame["height"],
        )
        for mark in marks
    ]  # fmt: skip


def find_house(page: Any) -> Any:
    attach(page, "sign.png", "shapes.png")
    answer = ask(page, "<|ref|>blue house<|/ref|>")
    page.wait_for_timeout(400)  # the boxes have grown to their size
    return answer


@pytest.mark.parametrize("width", [1280, 375])
def test_two_pictures_and_boxes_where_the_api_says(
    page: Any, server: Served, sent: list[dict[str, Any]], width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 860})
    answer = find_house(page)
    (body,) = sent
    assert [picture.size for picture in sent_pictures(body)] == [(96, 96), (96, 96)]
    said = answer_of(server, body)
    assert said["grounding"] and all(entry["image"] == 1 for entry in said["grounding"])
    boxes = [box for entry in said["grounding"] for box in entry["boxes"]]
    assert answer.locator(".figure").count() == 1
    figure = answer.locator(".figure")
    slack = 1.0 / figure.locator("img").bounding_box()["width"]  # a pixel of the screen
    assert places(figure) == [pytest.approx(box, abs=slack) for box in boxes]
    assert "blue house" in answer.locator(".prose").inner_text()
    assert not page.evaluate(IS_WIDE)


def test_an_answer_streams(page: Any, server: Served, sent: list[dict[str, Any]]) -> None:
    page.evaluate(
        """() => { window.seen = new Set();
            const look = () => seen.add(document.querySelector('.turn.answer .prose')?.innerText ?? '');
            const changes = { subtree: true, childList: true, characterData: true };
            new MutationObserver(look).observe(document.querySelector('#thread'), changes); }"""
    )
    attach(page, "shapes.png")
    answer = ask(page, "<|grounding|>Describe the picture.")
    assert page.evaluate("seen.size") > 3, "it grew before the eyes"
    said = answer_of(server, sent[0])
    shown = answer.locator(".mark.box").count()
    assert shown == sum(len(entry["boxes"]) for entry in said["grounding"]) > 0
    assert "tokens/s" in answer.locator(".stats").inner_text()


def test_an_arrow_is_drawn_and_asked_about(page: Any, server: Served, sent: list[dict[str, Any]]) -> None:
    attach(page, "shapes.png")
    page.locator(".attachments .thumbnail").hover()
    page.click(".attachments .draw")
    page.check("input[value=arrow]")
    page.check("input[value=red]")
    frame = page.locator(".drawing-stage canvas").bounding_box()
    for number, (x, y) in enumerate(((0.9, 0.6), (0.75, 0.45), (0.65, 0.3))):
        page.mouse.move(frame["x"] + x * frame["width"], frame["y"] + y * frame["height"], steps=4)
        if not number:
            page.mouse.down()
    page.mouse.up()
    page.click(".drawing button[type=submit]")
    answer = finished(page)
    (body,) = sent
    assert "red" in sent_text(body) and "arrow" in sent_text(body)
    (drawn,) = sent_pictures(body)
    assert drawn.size == ORIGINAL.size
    assert ImageChops.difference(drawn, ORIGINAL).getbbox() is not None
    said = " ".join(re.sub(MARKED, "", answer_of(server, body)["content"]).split())
    assert said and " ".join(answer.locator(".prose").inner_text().split()).startswith(said)


def test_retry_reload_and_dark(page: Any, sent: list[dict[str, Any]]) -> None:
    answer = find_house(page)
    before = places(answer.locator(".figure"))
    page.click("[aria-label='Ask again']")
    page.locator(".versions").wait_for()
    assert page.locator(".answer .versions span").inner_text() == "2 / 2"
    assert len(sent) == 2 and sent[0]["messages"] == sent[1]["messages"]
    page.wait_for_timeout(1000)  # what is typed and told is saved a moment later
    page.emulate_media(color_scheme="dark")
    page.reload()
    answer = finished(page)
    assert answer.locator(".versions span").inner_text() == "2 / 2", "both answers are kept"
    assert page.locator(".question .thumbnail").count() == 2
    page.wait_for_timeout(400)
    assert places(answer.locator(".figure")) == [pytest.approx(box, abs=0.02) for box in before]
    dark = page.evaluate(BACKGROUND).strip("rgb()").split(",")
    assert sum(map(int, dark)) / 3 < 60
    assert decoded(sent[0]["messages"][0]["content"][0]["image_url"]["url"]).size == (96, 96)


class TestSlowly:
    """Where every step takes a while, so that an answer can be stopped amid it."""

    @pytest.fixture
    def server(self, browser: Any, assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
        with running(assistant) as served:
            step = served.engine.step
            monkeypatch.setattr(served.engine, "step", slowly(step))
            yield served

    def test_stop_frees_the_engine(self, page: Any, server: Running, sent: list[dict[str, Any]]) -> None:
        attach(page, "shapes.png")
        page.fill("#question", "<|grounding|>Describe the picture.")
        page.press("#question", "Enter")
        until(page, "(document.querySelector('.turn.answer .prose')?.innerText ?? '').length > 8")
        page.click("button.send.stop")
        answer = finished(page)
        assert answer.locator(".notice").inner_text() == "Stopped."
        assert answer.locator(".prose").inner_text().startswith("The picture")
        deadline = time.monotonic() + 30
        while server.server.answering.num_open or server.engine.scheduler.running:
            assert time.monotonic() < deadline, "the engine still works on it"
            time.sleep(0.05)
        assert "mark box" not in answer.inner_html(), "it was stopped before the last box"


def slowly(step: Callable[..., Any]) -> Callable[..., Any]:
    def stepping(*arguments: Any) -> Any:
        time.sleep(STEP_S)
        return step(*arguments)

    return stepping
