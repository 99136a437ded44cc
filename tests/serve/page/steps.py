"""What a person does on the page, step by step."""

from __future__ import annotations

import base64
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

EXAMPLES = Path(__file__).parents[3] / "examples"


def attach(page: Page, *names: str) -> None:
    """Add pictures to the question with the file picker."""
    before = page.locator(".attachments .thumbnail").count()
    page.set_input_files("#composer input[type=file]:not([capture])", [EXAMPLES / name for name in names])
    page.locator(f".attachments .thumbnail >> nth={before + len(names) - 1}").wait_for()


def ask(page: Page, question: str) -> Locator:
    """Type a question, send it, wait for the whole answer and return it."""
    before = page.locator(".turn.answer").count()
    page.fill("#question", question)
    page.press("#question", "Enter")
    answer = page.locator(".turn.answer").nth(before)
    answer.locator(".turn-tools, .notice").first.wait_for()
    return answer


def finished(page: Page) -> Locator:
    """Wait until the last answer is whole, and return it."""
    answer = page.locator(".turn.answer").last
    answer.locator(".turn-tools").wait_for()
    return answer


def until(page: Page, expression: str) -> None:
    """Wait until an expression holds; wait_for_function would need eval, which the policy of the page forbids."""
    deadline = time.monotonic() + 300
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, expression
        page.wait_for_timeout(20)


def sent_pictures(body: dict[str, Any]) -> list[Image.Image]:
    """Return the pictures of a chat request."""
    contents = [message["content"] for message in body["messages"] if not isinstance(message["content"], str)]
    return [
        decoded(part["image_url"]["url"]) for content in contents for part in content if part["type"] == "image_url"
    ]


def decoded(url: str) -> Image.Image:
    """Return the picture in a data URL."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def sent_text(body: dict[str, Any]) -> str:
    """Return the text of the last message of a chat request."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
