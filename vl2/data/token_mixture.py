"""Token mixture: which source the next document comes from, so that each has its share of the tokens.

Shares of samples are not shares of tokens: a picture's document is many times as long as a caption's. The source that
is furthest behind its share goes next, so that the error never exceeds about one document, however long the run is.
"""

from __future__ import annotations

from collections.abc import Mapping

from vl2.core.errors import ConfigError


class TokenMixture:
    """Choose sources by shares of tokens; nothing is drawn, so that the tokens served are all a resume needs."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        """Take shares by source in any unit. Raises ConfigError when there is none or one is not positive."""
        wrong = [name for name, share in shares.items() if not share > 0]
        if wrong or not shares:
            raise ConfigError("mixture", "a share is not positive", got=", ".join(wrong) or "no source")
        total = sum(shares.values())
        self.shares = {name: share / total for name, share in shares.items()}

    def next_source(self, served: Mapping[str, int]) -> str:
        """Return the source that is furthest behind, of equals the first; `served` are tokens, visual ones included."""
        total = sum(served.values())
        return max(self.shares, key=lambda name: self.shares[name] * total - served[name])
