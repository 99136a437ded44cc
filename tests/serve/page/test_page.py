"""The conversation: pictures in, an answer streamed, stopped, asked again, edited, and what it cost."""

from __future__ import annotations

import re

from tests.serve.page.steps import ask, attach, finished, sent_pictures, sent_text, until


def test_two_pictures_and_a_streamed_answer(page, server):
    attach(page, "shapes.png", "sign.png")
    answer = ask(page, "describe both")
    body = server.asked()[-1]
    assert [picture.size for picture in sent_pictures(body)] == [(96, 96), (96, 96)]
    assert sent_text(body) == "describe both"
    assert body["stream"] and body["stream_options"] == {"include_usage": True} and body["vl2"] == {"boxes": "unit"}
    assert re.sub(r"\s+", " ", answer.locator(".prose").text_content()).strip() == (
        "The picture 🖼 shows a blue house and arrows3. The second one has a sign."
    )
    assert page.locator(".attachments .thumbnail").count() == 0


def test_the_answer_shows_while_it_comes(page, server):
    server.pause_s = 0.05
    page.fill("#question", "slow")
    page.press("#question", "Enter")
    prose = page.locator(".turn.answer .prose")
    until(page, "document.querySelector('.turn.answer .prose').innerText.length > 20")
    early = len(prose.inner_text())
    until(page, f"document.querySelector('.turn.answer .prose').innerText.length > {early + 20}")
    page.click("button.send.stop")
    finished(page)


def test_stop_keeps_what_has_come(page, server):
    server.pause_s = 0.05
    page.fill("#question", "slow")
    page.press("#question", "Enter")
    until(page, "document.querySelector('.turn.answer .prose').innerText.includes('Three')")
    page.click("button.send.stop")
    answer = finished(page)
    assert answer.locator(".notice").inner_text() == "Stopped."
    assert answer.locator(".prose").inner_text().startswith("One. Two. Three.")
    for _ in range(100):
        if any(path == "stopped" for path, _ in server.requests):
            break
        page.wait_for_timeout(50)
    else:
        raise AssertionError("the server still writes")


def test_ask_again_keeps_both_answers(page, server):
    ask(page, "first")
    page.click("[aria-label='Ask again']")
    page.locator(".versions").wait_for()
    assert page.locator(".answer .versions span").inner_text() == "2 / 2"
    page.click(".answer [aria-label='Earlier version']")
    assert page.locator(".answer .versions span").inner_text() == "1 / 2"
    assert len(server.asked()) == 2


def test_edit_and_resend(page, server):
    attach(page, "shapes.png")
    ask(page, "first")
    ask(page, "second")
    page.locator(".question").first.hover()
    page.locator("[aria-label='Edit the question']").first.click()
    page.fill(".edit textarea", "better")
    page.press(".edit textarea", "Enter")
    page.locator(".prose", has_text="You asked: better").wait_for()
    finished(page)
    assert page.locator(".turn").count() == 2, "what came after the edited question is not shown"
    assert [message["role"] for message in server.asked()[-1]["messages"]] == ["user"]
    assert len(sent_pictures(server.asked()[-1])) == 1, "the pictures stay with the question"
    page.locator(".question").first.hover()
    page.click(".question [aria-label='Earlier version']")
    assert page.locator(".turn").count() == 4, "nothing is lost"


def test_system_prompt_and_sampling_are_sent(page, server):
    page.click("#open-settings")
    page.fill("#set-system", "Be brief.")
    page.locator("#set-temperature").fill("0.7")
    page.fill("#set-maxTokens", "64")
    page.fill("#set-seed", "11")
    page.click("text=Boxes in every answer")
    page.keyboard.press("Escape")
    ask(page, "hello")
    body = server.asked()[-1]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (body["temperature"], body["top_p"], body["max_tokens"], body["seed"]) == (0.7, 1, 64, 11)
    assert sent_text(body) == "<|grounding|>hello"


def test_the_strip_of_figures(page):
    answer = ask(page, "hello")
    strip = re.sub(r"\s+", " ", answer.locator(".stats").inner_text())
    assert re.fullmatch(
        r"[\d.,]+ tokens/s [\d.,]+ m?s to first token \d+ answer 214 prompt 170 image 127 cached", strip
    ), strip


def test_a_failure_is_shown_and_tried_again(page, server):
    page.expected_errors.append("429")
    server.failures = [(429, "Too many requests: 16 are running.", {"Retry-After": "1"})]
    attach(page, "shapes.png")
    ask(page, "hello")
    assert "Too many requests" in page.locator(".notice.error").inner_text()
    retry = page.locator(".notice.error button")
    assert retry.is_disabled()
    until(page, "!document.querySelector('.notice.error button').disabled")
    retry.click()
    page.locator(".prose", has_text="You asked: hello").wait_for()
    finished(page)
    assert page.locator(".turn").count() == 2
    assert len(sent_pictures(server.asked()[-1])) == 1


def test_a_server_that_drains_loses_nothing(page, server):
    page.expected_errors.append("503")
    ask(page, "one")
    server.failures = [(503, "The server is stopping.", {})]
    ask(page, "two")
    answer = ask(page, "three")  # the failed answer is left out: the roles still alternate
    assert answer.locator(".prose").inner_text() == "You asked: two\nthree"


def test_a_key_is_asked_for_and_sent(page, server):
    page.expected_errors.append("401")
    server.key = "secret"
    page.fill("#question", "hello")
    page.press("#question", "Enter")
    page.fill("dialog input[type=password]", "wrong")
    page.click("dialog button[type=submit]")
    page.fill("dialog input[type=password]", "secret")
    page.click("dialog button[type=submit]")
    page.locator(".prose", has_text="You asked: hello").wait_for()
    assert page.evaluate("sessionStorage.getItem('vl2.key')") == "secret"


def test_pasted_and_dropped_pictures(page):
    page.evaluate(
        """async () => {
            const blob = await (await fetch('/web/examples/sign.png')).blob();
            const files = new DataTransfer();
            files.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: files, bubbles: true }));
            const drag = { dataTransfer: files, bubbles: true, cancelable: true };
            for (const name of ['dragenter', 'dragover', 'drop'])
                document.body.dispatchEvent(new DragEvent(name, drag));
        }"""
    )
    page.locator(".attachments .thumbnail >> nth=1").wait_for()
    assert page.locator("#drop-veil").is_hidden()
    assert page.locator("#composer input[capture=environment]").count() == 1


def test_what_is_no_picture_is_named(page, tmp_path):
    (tmp_path / "notes.png").write_text("not a picture")
    page.set_input_files("#composer input[type=file]:not([capture])", tmp_path / "notes.png")
    page.locator("#toast.shown", has_text="notes.png").wait_for()


def test_verbs(page, server):
    attach(page, "shapes.png")
    page.check(".verbs input[value=find]")
    answer = ask(page, "blue house")
    assert sent_text(server.asked()[-1]) == "<|ref|>blue house<|/ref|>"
    assert answer.locator(".mark.box").count() == 1
    page.check(".verbs input[value=point]")
    answer = ask(page, "yellow arrow")
    assert server.asked("/v1/point")[-1]["object"] == "yellow arrow"
    assert answer.locator(".mark.point").count() == 1
    assert "58, 19" in answer.locator(".points").inner_text()
    page.check(".verbs input[value=describe]")
    page.check("input[value=long]")
    page.click("button.send")
    page.locator(".prose", has_text="A long description.").wait_for()


def test_examples_ask_at_once(page, server):
    page.click(".example >> nth=0")
    finished(page)
    assert sent_text(server.asked()[-1]) == "<|ref|>blue house<|/ref|>"


def test_markdown_code_and_formulas(page):
    answer = ask(page, "markdown")
    answer.locator("table td", has_text="7.02").wait_for()
    answer.locator("pre .hljs-keyword", has_text="def").wait_for()
    answer.locator("math msubsup, math munderover").first.wait_for()
    assert "it costs $5 or $6" in answer.inner_text()
