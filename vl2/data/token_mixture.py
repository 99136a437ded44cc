"""Token mixture: which source the next document comes from, so that each has its share of the tokens.

Shares of samples are not shares of tokens: a picture's document is many times as long as a caption's. The source that
is furthest behind its share goes next, so that the error never exceeds about one document, however long the run is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from vl2.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class MixtureState:
    """All that a mixture remembers."""

    served: Mapping[str, int]  # tokens by source

    @classmethod
    def fresh(cls, shares: Mapping[str, float]) -> MixtureState:
        """Return the state before the first document."""
        return cls(served=dict.fromkeys(shares, 0))


class TokenMixture:
    """Choose sources by shares of tokens; nothing is drawn, so that a state is all a resume needs."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        """Take shares by source in any unit. Raises ConfigError when there is none or one is not positive."""
        wrong = [name for name, share in shares.items() if not share > 0]
        if wrong or not shares:
            raise ConfigError("mixture", "a share is not positive", got=", ".join(wrong) or "no source")
        total = sum(shares.values())
        self.shares = {name: share / total for name, share in shares.items()}

    def next_source(self, state: MixtureState) -> str:
        """Return the source that is furthest behind; of equals the first."""
        total = sum(state.served.values())
        return max(self.shares, key=lambda name: self.shares[name] * total - state.served[name])

    def serve(self, state: MixtureState, name: str, num_tokens: int) -> MixtureState:
        """Return the state after a document of `num_tokens` tokens, visual tokens included."""
        return replace(state, served={**state.served, name: state.served[name] + num_tokens})
