"""The pages show every row once, find what is asked for, show what rows say as text, and answer this machine alone."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.corpus.run.sources import picture, recipe_of, silent
from tests.corpus.run.test_report import ATTACK, Tags
from vl2.cli import app
from vl2.core.boxes import Box
from vl2.core.errors import VL2Error
from vl2.core.sample import BoxesPart, ImagePart, ImageSource, Message, Sample, SceneObject, TextPart
from vl2.corpus.run import run_recipe
from vl2.corpus.run_local import LocalExecutor
from vl2.corpus.source import Source
from vl2.corpus.tar import pack
from vl2.corpus.view import run_page, wanted
from vl2.corpus.view.boxes import pictures_of
from vl2.corpus.view.index import ROW
from vl2.corpus.view.server import ViewServer, open_server
from vl2.corpus.view.site import Site, open_site

NUM_ROWS, NUM_KEPT = 22, 14


@pytest.fixture(scope="module")
def folder(sources, tmp_path_factory):
    """Two finished runs, one that is not, and a folder that is none."""
    place = tmp_path_factory.mktemp("runs")
    for name in ("first", "second", "begun"):
        recipe = recipe_of(sources if name == "first" else sources[:1], place / name, write=("webdataset",))
        run_recipe(recipe, LocalExecutor(), silent)
    (place / "begun" / "stage-0" / "manifest.jsonl").unlink()
    (place / "other").mkdir()
    return place


@pytest.fixture
def site(folder) -> Site:
    return open_site(folder)


def text(site: Site, target: str) -> str:
    found = site.answer(target)
    assert found.status == 200, found.body
    return found.body.decode()


def rows_of(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<article class="card" id="r(\d+)"', page)]


def way(page: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="\?([^"]*)"', page)
    return found[1].replace("&amp;", "&") if found else None


def walk(site: Site, query: str, rel: str = "next") -> list[int]:
    """Follow the pages from an address to the end; return their rows."""
    rows: list[int] = []
    address: str | None = query
    while address is not None:
        page = text(site, f"/first/?{address}")
        rows = [*rows, *rows_of(page)] if rel == "next" else [*rows_of(page), *rows]
        address = way(page, rel)
    return rows


def run_of(samples, tmp_path, steps=()) -> Site:
    (tmp_path / "rows.tar").write_bytes(pack(samples))
    source = Source(name="rows", path=str(tmp_path / "rows.tar"))
    run_recipe(recipe_of((source,), tmp_path / "run", steps=steps, write=("webdataset",)), LocalExecutor(), silent)
    return open_site(tmp_path / "run")


def test_runs_are_listed_and_one_alone_is_shown(site, folder):
    page = text(site, "/")
    assert 'href="/first/"' in page and 'href="/second/"' in page and "Not finished: begun" in page
    assert "other" not in page
    alone = open_site(folder / "first").answer("/")
    assert (alone.status, alone.goto) == (303, "/first/")
    with pytest.raises(VL2Error, match="no corpus run here"):
        open_site(folder / "other")
    with pytest.raises(VL2Error, match="is not finished"):
        open_site(folder / "begun")


def test_pages_show_every_row_once_forwards_and_backwards(site, monkeypatch):
    monkeypatch.setattr(run_page, "ROWS", 5)
    everything = list(range(NUM_ROWS))
    assert walk(site, "") == everything
    assert walk(site, f"until={NUM_ROWS}", "prev") == everything
    rejected = walk(site, "fate=rejected")
    assert walk(site, f"fate=rejected&until={NUM_ROWS}", "prev") == rejected and len(rejected) == NUM_ROWS - NUM_KEPT


@pytest.mark.parametrize(
    ("query", "num_rows"),
    [
        ("fate=kept", 14),
        ("fate=decide", 7),
        ("fate=decide:+length.answer_characters+above+40", 5),
        ("fate=ingest", 1),
        ("source=lines", 13),
        ("source=lines&fate=kept", 5),
        ("source=none", 0),
        ("language=en", 22),
        ("language=zh", 0),
        ("text=QUESTION+12", 1),
        ("text=a+cat", 9),
        ("field=length.images&least=2", 9),
        ("field=length.answer_characters&least=19&most=39", 3),
        ("field=length.none&least=0", 0),
    ],
)
def test_filters(site, query, num_rows):
    assert len(walk(site, query)) == num_rows


def test_a_bound_that_is_no_number_is_said(site):
    assert site.answer("/first/?field=length.images&least=two").status == 400
    assert site.answer("/first/?field=length.images&least=nan").status == 400


def test_a_search_that_takes_long_stops_and_goes_on_where_it_was(site, monkeypatch):
    monkeypatch.setattr(wanted, "MOST_SECONDS", 0.0)
    page = text(site, "/first/?text=question+12")
    assert not rows_of(page) and "go on" in page
    assert len(walk(site, "text=question+12")) == 1
    assert len(walk(site, f"text=question+12&until={NUM_ROWS}", "prev")) == 1


def test_only_the_blocks_that_are_needed_are_read(site, monkeypatch):
    monkeypatch.setattr(run_page, "ROWS", 4)
    text(site, "/first/?")
    assert site.runs["first"].num_bytes == 4 * ROW.itemsize == 4 * 21
    walk(site, "fate=rejected")
    assert site.runs["first"].num_bytes == NUM_ROWS * ROW.itemsize


def test_a_row_has_an_address_of_its_own(site):
    goto = site.answer("/first/at/3").goto
    row_id = re.search(r"row/(\w+)\?at=3", goto)[1]  # pyright: ignore
    for hint in ("?at=3", "?at=9", "?at=999999", ""):
        page = text(site, f"/first/row/{row_id}{hint}")
        assert row_id in page and "row 3 of 22" in page and "Where it is from" in page and "cat" in page
    assert site.answer("/-/find?id=" + row_id).goto == f"/first/row/{row_id}?at=3"
    assert site.answer("/first/row/nothing").status == 404
    assert site.answer("/-/find?id=nothing").status == 404


def test_a_rejected_row_says_why_and_because_of_which(tmp_path):
    same = [Sample(str(number), (Message("user", (TextPart("Hello."),)),)) for number in range(2)]
    site = run_of(same, tmp_path, ({"use": "exact"},))
    page = text(site, "/run/?fate=rejected")
    assert rows_of(page) == [1] and "<b>exact</b>" in page
    page = site.answer(site.answer("/run/at/1").goto).body.decode()
    assert re.search(r'because of <a class="mono" href="/-/find\?id=\w{32}"', page)


@pytest.mark.parametrize(
    "target",
    ["/nothing/", "/first", "/first/at/99", "/first/at/-1", "/first/row/x/y", "/first/row/x?at=y", "/first/?start=x",
     "/-/other.css", "/-/..%2f__init__.py", "/..%2f..%2fetc/passwd", "//", "/first/picture/x/0", "http://[broken"],
)  # fmt: skip
def test_other_addresses_are_pages_that_say_so(site, target):
    assert site.answer(target).status in (400, 404)


def test_pictures_come_as_they_are_or_as_what_browsers_show(tmp_path):
    jpeg, tiff = picture(1, "JPEG"), picture(2, "TIFF")
    ask = Message("user", (ImagePart(), ImagePart(), ImagePart(), TextPart("?")))
    broken = b"\x89PNG\r\n\x1a\nno"
    site = run_of([Sample("a", (ask,), tuple(ImageSource(data=data) for data in (jpeg, tiff, broken)))], tmp_path)
    address = site.answer("/run/at/0").goto.replace("/row/", "/picture/").partition("?")[0]
    first, second, third, fourth = (site.answer(f"{address}/{number}?at=0") for number in range(4))
    assert (first.kind, first.body) == ("image/jpeg", jpeg)
    assert second.kind == "image/png" and Image.open(io.BytesIO(second.body)).size == (48, 36)
    assert (third.status, fourth.status) == (415, 404)
    assert "a picture that cannot be shown" in text(site, "/run/?")


def test_a_box_stands_in_the_picture_where_it_is_annotated():
    images = (ImageSource(data=picture(1)), ImageSource(data=picture(2)))  # 48x36
    there, nowhere = Box.from_pixels(10, 10, 30, 30, width=48, height=36), Box(0, 0, 100, 100)
    said = Message("assistant", (BoxesPart("cat", (there,)), BoxesPart("dog", (nowhere,)), BoxesPart("cat", (there,))))
    objects = (SceneObject("cat", (10, 10, 30, 30), 1), SceneObject("cup", (20, 5, 90, 9), 1),
               SceneObject("lost", (1, 1, 2, 2), 7))  # fmt: skip
    first, second = pictures_of(Sample("row", (said,), images, objects))
    assert [(mark.label, mark.number) for mark in first.marks] == [("dog", 1)]
    assert [(mark.label, mark.number) for mark in second.marks] == [("cat", 0), ("cat", 2), ("cup", -1)]
    assert second.marks[2].corners == pytest.approx((20 / 48, 5 / 36, 1.0, 9 / 36))
    assert pictures_of(Sample("row", (said,))) == []


def test_hostile_rows_stay_text(tmp_path):
    turns = [{"from": "human", "value": ATTACK}, {"from": "gpt", "value": ATTACK}]
    told = {"provenance": {"licence": ATTACK, "source_id": ATTACK, ATTACK: {ATTACK: ATTACK}},
            "decision": {"keep": False, "step": ATTACK, "reason": ATTACK, "because_of": ATTACK},
            "quality": {ATTACK: 1.0}, "answers": [ATTACK]}  # fmt: skip
    boxes = {"type": "boxes", "label": ATTACK, "boxes": [[1, 2, 3, 4]]}
    own = {"messages": [{"role": "user", "parts": [boxes]}], "objects": [], "images": []}
    records = [{"id": ATTACK, "conversations": turns}, {"id": ATTACK, **own, **told}]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    source = Source(name=ATTACK, path=str(tmp_path / "lines.jsonl"), licence=ATTACK)
    run_recipe(recipe_of((source,), tmp_path / "run", write=("webdataset",)), LocalExecutor(), silent)
    site = open_site(tmp_path / "run")
    asked = "%3C%2Fp%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27"
    filtered = f"/run/?text={asked}&fate={asked}&source={asked}&field={asked}"
    addresses = ["/run/?", filtered, site.answer("/run/at/1").goto, f"/-/find?id={asked}", f"/run/row/{asked}"]
    for address in addresses:
        page = site.answer(address).body.decode()
        tags = Tags(page).found
        assert [attributes.get("src") for tag, attributes in tags if tag == "script"] == ["/-/view.js"]
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on") or name == "style"]
        assert not [attributes for tag, attributes in tags if tag == "img"]
        assert "&lt;script&gt;" in page


def test_a_damaged_shard_is_said_in_one_line(sources, tmp_path):
    run_recipe(recipe_of(sources, tmp_path / "run", write=("webdataset",)), LocalExecutor(), silent)
    shard = tmp_path / "run" / "stage-0" / "00000000.tar"
    shard.write_bytes(b"x" * 2000)
    found = open_site(tmp_path / "run").answer("/run/?")
    assert found.status == 404 and b"is damaged" in found.body
    shard.unlink()
    assert b"cannot be opened" in open_site(tmp_path / "run").answer("/run/?").body


@contextmanager
def serving(folder) -> Iterator[ViewServer]:
    opened = open_server(folder, "127.0.0.1", 0)
    thread = threading.Thread(target=opened.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield opened
    opened.shutdown()
    opened.server_close()


@pytest.fixture
def server(folder) -> Iterator[ViewServer]:
    with serving(folder) as opened:
        yield opened


def ask(server: ViewServer, method: str, target: str, host: str) -> tuple[int, dict[str, str], bytes]:
    line = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=20)
    line.putrequest(method, target, skip_host=True)
    line.putheader("Host", host)
    line.endheaders()
    found = line.getresponse()
    told = {name.lower(): value for name, value in found.getheaders()}
    content = found.read()
    line.close()
    return found.status, told, content


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8010", 200), ("localhost:8010", 200), ("LOCALHOST", 200), ("[::1]:8010", 200), ("10.0.0.7", 200),
     ("evil.example:8010", 421), ("127.0.0.1.evil.example", 421), ("", 421), ("localhost.evil.example", 421)],
)  # fmt: skip
def test_a_name_that_is_not_of_this_machine_is_refused(server, host, status):
    assert ask(server, "GET", "/", host)[0] == status


def test_answers_carry_a_strict_policy(server):
    status, told, content = ask(server, "GET", "/first/", "localhost")
    policy = told["content-security-policy"]
    nonce = re.search(r"style-src 'self' 'nonce-([\w-]+)'", policy)
    assert status == 200 and nonce and f'<style nonce="{nonce[1]}">'.encode() in content
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self';" in policy
    assert told["x-content-type-options"] == "nosniff" and told["cross-origin-resource-policy"] == "same-origin"
    again = ask(server, "GET", "/first/", "localhost")[1]["content-security-policy"]
    assert again != policy, "a nonce that stays could be learned"


def test_only_reading_is_answered(server):
    assert ask(server, "HEAD", "/first/", "localhost")[::2] == (200, b"")
    status, told, content = ask(server, "POST", "/first/", "localhost")
    assert status == 501 and "content-security-policy" in told and b"<script>" not in content
    assert ask(server, "GET", "/-/page.css", "localhost")[1]["content-type"] == "text/css; charset=utf-8"


def test_a_port_that_is_taken_is_said(server, folder):
    told = CliRunner().invoke(app, ["corpus", "view", str(folder), "--port", str(server.server_address[1])])
    assert told.exit_code == 2 and "cannot be listened at" in told.stderr and len(told.stderr.splitlines()) == 1


def test_in_a_browser(server, tmp_path):
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")
    path = os.environ.get("VL2_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium, or its path in VL2_CHROMIUM")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=300_000)
        page = browser.new_page(viewport={"width": 375, "height": 700})
        page.set_default_timeout(120_000)
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.goto(f"{server.address}first/?fate=kept&source=drawn")
        assert page.evaluate("document.documentElement.scrollWidth") == 375
        card = page.locator("#r0")
        assert card.locator("img").evaluate_all("some => some.map(one => one.naturalWidth)") == [48, 48]
        shown = card.locator(".mark.said").first.bounding_box()
        whole = card.locator("img").first.bounding_box()
        assert shown["height"] == pytest.approx(whole["height"] * 997 / 999, abs=1.5)  # a box from 2 to 999
        card.locator(".turn .ref[data-box='0']").hover()
        assert card.locator(".mark.lit").count() == 1
        page.set_viewport_size({"width": 1280, "height": 800})
        page.keyboard.press("j")
        page.keyboard.press("o")
        page.wait_for_url("**/row/**")
        page.keyboard.press("n")
        page.wait_for_url("**at=1")
        page.keyboard.press("u")
        page.wait_for_url("**/first/")
        page.locator("select[name=fate]").select_option("rejected")
        page.wait_for_url("**fate=rejected**")
        assert page.locator(".card").count() == NUM_ROWS - NUM_KEPT
        out = io.BytesIO()
        Image.new("RGB", (1600, 200), "navy").save(out, "PNG")
        ask = Message("user", (ImagePart(), TextPart("word" * 200)))
        run_of([Sample("wide", (ask,), (ImageSource(data=out.getvalue()),))], tmp_path)
        page.set_viewport_size({"width": 375, "height": 700})
        with serving(tmp_path / "run") as other:
            page.goto(other.address)
            assert page.evaluate("document.documentElement.scrollWidth") == 375
        assert not problems
        page.goto(f"{server.address}nothing/")
        assert page.locator("h1").inner_text() == "404"
        assert len(problems) == 1, "the status itself, and nothing that the policy forbids"
        browser.close()
