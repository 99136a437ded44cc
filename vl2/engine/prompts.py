"""The questions behind the verbs, as the models were trained on them."""

from __future__ import annotations

from typing import Literal

CaptionLength = Literal["short", "normal", "long"]

CAPTION: dict[CaptionLength, str] = {
    "short": "Describe the picture in a few words.",
    "normal": "Describe the picture.",
    "long": "Describe the picture in detail.",
}
READ = "Read the text."
