"""ServeSettings: everything about a server that is not the model."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from vl2.core.errors import ConfigError
from vl2.engine.conversation import MAX_IMAGES
from vl2.processor.images import DEFAULT_LIMITS

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MEGA = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ServeSettings:
    """Where the server listens, who may ask, and how much. Raises ConfigError on what cannot be."""

    host: str = "127.0.0.1"
    port: int = 8000
    api_keys: tuple[str, ...] = ()  # any of them opens the door; none leaves it open
    insecure: bool = False  # listen to other machines without a key
    cors_origins: tuple[str, ...] = ()  # web pages of these origins may ask
    image_hosts: tuple[str, ...] = ()  # images are fetched from these hosts, "*" is any; none fetches nothing
    images_first: bool = False  # show the images of a turn before its text, for clients that send them behind it
    ignore_tools: bool = False  # take tools that are offered and call none, for clients that always offer some
    media_root: Path | None = None  # file:// addresses may name files below this folder

    max_body_mb: float = 64.0
    max_bodies_mb: float = 1024.0  # of all requests together
    max_image_mb: float = 20.0  # encoded
    max_pixels: int = 64_000_000  # of one image, decoded
    max_images: int = 16  # of one request
    max_new_tokens: int = 4096  # most that a request may ask for
    max_copies: int = 8  # answers to one request, OpenAI's n
    max_running: int = 32  # answers that are computed side by side
    max_waiting: int = 256  # requests beyond those; then 429
    requests_per_minute: float = 0.0  # of one key, or of one address without keys; 0 is without limit
    request_timeout_s: float = 600.0
    image_timeout_s: float = 20.0  # to fetch or decode one image
    engine_start_s: float = 1800.0  # for a vLLM that is started to be ready
    drain_timeout_s: float = 60.0  # what is under way may end within it when the server is asked to stop

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and value <= 0 and field.name != "requests_per_minute":
                raise ConfigError(field.name, "must be positive", got=value)
        if self.max_images > MAX_IMAGES:
            raise ConfigError("max_images", "too many", got=self.max_images, expected=f"at most {MAX_IMAGES}")
        for name, value, most in (
            ("max_pixels", self.max_pixels, DEFAULT_LIMITS.max_pixels),
            ("max_image_mb", self.max_image_mb, DEFAULT_LIMITS.max_bytes / MEGA),
        ):
            if value > most:
                raise ConfigError(name, "above what an image may be anywhere", got=value, expected=f"at most {most:g}")
        if any(not key or not key.isascii() or key != key.strip() for key in self.api_keys):
            raise ConfigError("api_key", "must be visible ASCII characters", do="Use another key.")
        if self.host not in LOOPBACK and not self.api_keys and not self.insecure:
            raise ConfigError(
                "host", "other machines could ask without a key", got=self.host,
                do="Give an API key (--api-key, VL2_API_KEY), or --insecure.",
            )  # fmt: skip
        if self.media_root is not None and not self.media_root.is_dir():
            raise ConfigError("media_root", "is no folder", got=str(self.media_root))

    @property
    def max_open(self) -> int:
        """Return the most that may be under way, what waits included."""
        return self.max_running + self.max_waiting

    @property
    def max_body_bytes(self) -> int:
        """Return the most bytes of a request's body."""
        return round(self.max_body_mb * MEGA)

    @property
    def max_bodies_bytes(self) -> int:
        """Return the most bytes of all bodies together."""
        return round(self.max_bodies_mb * MEGA)

    @property
    def max_image_bytes(self) -> int:
        """Return the most encoded bytes of an image."""
        return round(self.max_image_mb * MEGA)
