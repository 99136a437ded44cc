"""Problem: an error in the form that OpenAI's clients read, with a code that stays the same."""

from __future__ import annotations

from typing import Any

from vl2.core.errors import ConfigError, ConversationError, ImageError, MemoryPreflightError, VL2Error

CODES = {
    ImageError: "invalid_image",
    ConversationError: "invalid_conversation",
    ConfigError: "invalid_value",
    MemoryPreflightError: "request_too_large",
}
LONGEST_MESSAGE = 500
RETRY_AFTER_S = 2


class Problem(Exception):  # noqa: N818 - no error of ours: what a request is told
    """What a request is told instead of an answer."""

    def __init__(
        self, status: int, message: str, code: str, *, param: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_s = retry_after_s

    @classmethod
    def of(cls, error: VL2Error, param: str | None = None) -> Problem:
        """Return what a user did wrong, as the library said it."""
        code = next((code for kind, code in CODES.items() if isinstance(error, kind)), "invalid_request")
        if "context" in str(error) and isinstance(error, ConversationError):
            code = "context_length_exceeded"
        return cls(400, str(error), code, param=param)

    @property
    def headers(self) -> dict[str, str]:
        """Return what stands beside the body."""
        headers = {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})

    def body(self) -> dict[str, Any]:
        """Return the body, in OpenAI's form."""
        kinds = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        message = self.message.encode("utf-8", "replace").decode()[:LONGEST_MESSAGE]
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code}}


def draining() -> Problem:
    """Return what is said while the server stops."""
    message = "The server is stopping. Ask again in a moment."
    return Problem(503, message, "server_draining", retry_after_s=RETRY_AFTER_S)


def engine_stopped() -> Problem:
    """Return what is said when nothing computes answers any longer."""
    return Problem(503, "The engine has stopped. Ask again in a moment.", "engine_stopped", retry_after_s=5)


def overloaded() -> Problem:
    """Return what is said when too many wait."""
    return Problem(429, "Too many requests are waiting. Ask again later.", "queue_full", retry_after_s=RETRY_AFTER_S)


def unsupported(name: str) -> Problem:
    """Return what is said of a field of OpenAI's that would change the answer."""
    return Problem(400, f"{name}: is not supported here. Leave it out.", "unsupported_parameter", param=name)
