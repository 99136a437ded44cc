"""What the browser keeps: conversations over a reload, their names, files out and in; and the reading view."""

from __future__ import annotations

import json

from tests.serve.page.steps import EXAMPLES, ask, attach, finished, until


def saved_after(page):
    page.wait_for_timeout(600)  # what is typed is saved a moment later


def test_a_reload_keeps_the_conversation(page, server):
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    page.fill("#question", "half a ques")
    attach(page, "chart.png")
    saved_after(page)
    page.reload()
    finished(page)
    assert page.locator(".question .thumbnail").count() == 2
    assert page.locator(".mark.box").count() == 5
    assert page.input_value("#question") == "half a ques"
    assert page.locator(".attachments .thumbnail").count() == 1
    ask(page, "again")
    roles = [message["role"] for message in server.asked()[-1]["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_a_reload_amid_an_answer_keeps_what_had_come(page, server):
    server.pause_s = 0.05
    page.fill("#question", "slow")
    page.press("#question", "Enter")
    until(page, "document.querySelector('.turn.answer .prose').innerText.length > 100")
    page.reload()
    answer = finished(page)
    assert "broke off" in answer.locator(".notice").inner_text()
    assert answer.locator(".prose").inner_text().startswith("One.")


def test_list_rename_and_delete(page):
    ask(page, "first")
    page.click("text=New conversation")
    ask(page, "second")
    names = page.locator(".conversations a")
    assert names.all_inner_texts() == ["second", "first"]
    page.click("[aria-label='More about “first”']")
    page.click(".menu >> text=Rename")
    page.fill("dialog input", "renamed")
    page.click("dialog button[type=submit]")
    page.locator(".conversations a", has_text="renamed").click()
    page.locator(".prose", has_text="You asked: first").wait_for()
    page.click("[aria-label='More about “renamed”']")
    page.click(".menu >> text=Delete")
    page.click("dialog button.danger")
    page.locator(".conversations a", has_text="renamed").wait_for(state="detached")
    assert names.all_inner_texts() == ["second"]
    assert page.locator("#start").is_visible()


def test_export_and_import(page, context, server, tmp_path):
    attach(page, "shapes.png", "sign.png")
    ask(page, "describe both")
    page.click("[aria-label='Ask again']")
    page.locator(".versions").wait_for()
    finished(page)
    with page.expect_download() as download:
        page.click("text=Export all")
    download.value.save_as(tmp_path / "all.json")
    exported = json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))
    assert (exported["format"], exported["version"]) == ("vl2-conversations", 1)
    page.evaluate("indexedDB.deleteDatabase('vl2')")
    page.goto("about:blank")
    page.goto(server.address)
    page.wait_for_selector(".example")
    assert page.locator(".conversations a").count() == 0
    page.set_input_files("#sidebar input[type=file]", tmp_path / "all.json")
    finished(page)
    assert page.locator(".conversations a").all_inner_texts() == ["describe both"]
    assert page.locator(".question .thumbnail").count() == 2
    assert page.locator(".mark.box").count() == 5
    assert page.locator(".answer .versions span").inner_text() == "2 / 2"


def test_a_file_that_is_none_is_refused(page, tmp_path):
    for content in ("{", '{"format": "other"}', '{"format": "vl2-conversations", "version": 1, "conversations": [{}]}'):
        (tmp_path / "bad.json").write_text(content)
        page.set_input_files("#sidebar input[type=file]", tmp_path / "bad.json")
        page.locator("#toast.shown", has_text="This file").wait_for()
        page.evaluate("document.querySelector('#toast').classList.remove('shown')")
    circle = {"id": "a", "parent": "a", "role": "user", "created": 1, "text": "x"}
    conversation = {"title": "x", "head": "a", "turns": {"a": circle}}
    content = {"format": "vl2-conversations", "version": 1, "conversations": [conversation]}
    (tmp_path / "circle.json").write_text(json.dumps(content))
    page.set_input_files("#sidebar input[type=file]", tmp_path / "circle.json")
    page.locator("#toast.shown", has_text="without the one before it").wait_for()
    assert page.locator(".conversations a").count() == 0


def test_a_deleted_conversation_does_not_come_back_with_its_answer(page, server):
    server.pause_s = 0.02
    page.fill("#question", "slow")
    page.press("#question", "Enter")
    page.click("[aria-label='More about “slow”']")
    page.click(".menu >> text=Delete")
    page.click("dialog button.danger")
    page.locator("#start").wait_for()
    saved_after(page)
    page.reload()
    page.wait_for_selector(".example")
    assert page.locator(".conversations a").count() == 0


def test_an_answer_goes_on_while_another_conversation_is_shown(page, server):
    server.pause_s = 0.02
    page.fill("#question", "slow")
    page.press("#question", "Enter")
    page.locator(".conversations a", has_text="slow").wait_for()
    page.click("text=New conversation")
    assert page.locator("button.send.stop").count() == 0
    ask(page, "meanwhile")
    page.click(".conversations a >> text=slow")
    page.locator("button.send.stop").click()
    assert len(finished(page).locator(".prose").inner_text()) > 50


def test_read_pages_beside_their_text(page, server):
    page.click("text=Read a page")
    page.set_input_files("#reader input[type=file]:not([capture])", [EXAMPLES / "sign.png", EXAMPLES / "receipt.png"])
    page.locator(".page-text", has_text="QUESTION").wait_for()
    assert "Page 1 of 2" in page.locator("#reader").inner_text()
    assert page.locator(".read-figure img").is_visible()
    until(page, "document.querySelector('[aria-label=\"Read again\"]')")
    page.click("[aria-label='Next page']")
    page.locator(".page-text", has_text="QUESTION").wait_for()
    assert [set(body) for body in server.asked("/v1/read")] == [{"model", "image_url"}] * 2
    saved_after(page)
    page.reload()
    page.locator(".page-text", has_text="QUESTION").wait_for()
    page.click("[title='Ask about this page']")
    page.locator(".attachments .thumbnail").wait_for()


def test_read_from_the_composer(page, server):
    attach(page, "sign.png")
    page.check(".verbs input[value=read]")
    page.click("button.send")
    page.locator(".page-text", has_text="87.92").wait_for()
    assert len(server.asked("/v1/read")) == 1
