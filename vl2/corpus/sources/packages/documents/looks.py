"""Looks: styles in which pages are shown, so that none of them is learned by heart."""

from __future__ import annotations

import random

_FONTS = {
    "en": ("serif", "sans-serif", "'DejaVu Sans'", "'DejaVu Serif'", "'Liberation Sans'", "monospace"),
    "zh": ("'Noto Sans CJK SC', sans-serif", "'Noto Serif CJK SC', serif"),
}
_PAPERS = (("#ffffff", "#222222"), ("#fdf6e3", "#073642"), ("#f5f5f5", "#111111"), ("#ffffff", "#000000"),
           ("#f0f4f8", "#243b53"), ("#1f2430", "#e6e6e6"), ("#fffaf0", "#3d2b1f"))  # fmt: skip
INKS = ("#0645ad", "#b03a2e", "#117864", "#6c3483", "#b9770e", "#1f618d", "#c2185b", "#00695c", "#37474f")
_DARK = "#1f2430"


def manual_look(dice: random.Random, language: str) -> str:
    """Return the style sheet of a page of text."""
    paper, ink = dice.choice(_PAPERS)
    accent = "#8ab4f8" if paper == _DARK else dice.choice(INKS)
    edge = "#555b6e" if paper == _DARK else "#cccccc"
    size, leading = dice.choice((14, 15, 16, 17, 18)), dice.choice((1.3, 1.45, 1.6))
    rules = [
        f"body {{ margin: 0 auto; max-width: {dice.choice((640, 720, 820, 960))}px; padding: "
        f"{dice.choice((12, 20, 32))}px; background: {paper}; color: {ink}; "
        f"font: {size}px/{leading} {dice.choice(_FONTS[language])}; }}",
        f"a {{ color: {accent}; text-decoration: {dice.choice(('none', 'underline'))}; }}",
        f"table {{ border-collapse: collapse; }} td, th {{ border: 1px solid {edge}; padding: 4px 8px; }}",
        "img { max-width: 100%; } pre { white-space: pre-wrap; }",
    ]
    if dice.random() < 0.5:
        rules.append(f"h1, h2, h3, h4 {{ color: {accent}; }}")
    if dice.random() < 0.3:
        rules.append(f"h1, h2, h3 {{ border-bottom: 1px solid {edge}; padding-bottom: 4px; }}")
    return "\n".join(rules)
