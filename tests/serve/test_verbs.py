"""The verbs: typed answers about one image."""

from __future__ import annotations

import pytest

from tests.serve.serving import Running, data_url


def test_detect_and_point(served: Running) -> None:
    body = {"image_url": data_url("shapes.png"), "object": "blue house"}
    found = served.post("/v1/detect", body).json()
    box = {"pixels": [42, 4, 73, 34], "unit": [0.4444, 0.046, 0.7648, 0.3634], "thousand": [444, 46, 764, 363]}
    assert found["objects"] == [{"label": "blue house", **box}]
    assert found["problems"] == []
    point = served.post("/v1/point", body).json()["points"]
    assert point == [{"label": "blue house", "pixels": [58.0, 19.7], "unit": [0.6046, 0.2047]}]


def test_what_is_not_there(served: Running) -> None:
    found = served.post("/v1/detect", {"image_url": data_url("shapes.png"), "object": "red star"}).json()
    assert (found["objects"], found["text"]) == ([], "There is no red star.")


def test_boxes_are_well_formed_however_warm_the_sampling(served: Running) -> None:
    body = {"image_url": {"url": data_url("shapes.png")}, "object": "house", "temperature": 2, "max_tokens": 500}
    for seed in range(10):
        found = served.post("/v1/detect", {**body, "seed": seed}).json()
        assert found["problems"] == [], found["text"]


def test_words(served: Running) -> None:
    sign, shapes = data_url("sign.png"), data_url("shapes.png")
    assert served.post("/v1/read", {"image_url": sign}).json()["text"] == "87.92\nQUESTION"
    caption = served.post("/v1/caption", {"image_url": shapes, "length": "short"}).json()
    assert caption["caption"] == caption["text"] != ""
    query = served.post("/v1/query", {"image_url": shapes, "question": "How many houses are there?"}).json()
    assert query["answer"] == query["text"] != ""


def test_tiles(served: Running) -> None:
    sizes = [{"width": 640, "height": 480}, {"width": 100, "height": 900}]
    found = served.post("/v1/tiles", {"images": sizes}).json()["images"]
    assert [(grid["rows"], grid["cols"]) for grid in found] == [(2, 2), (4, 1)]
    found = served.post("/v1/tiles", {"images": sizes * 2}).json()["images"]
    assert {grid["num_tiles"] for grid in found} == {1}, "three images and more are one tile each"


@pytest.mark.parametrize("body", [{}, {"image_url": "x"}, {"image_url": "x", "object": " "}, {"object": "a"}])
def test_refusals(served: Running, body: dict) -> None:
    answer = served.post("/v1/detect", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
