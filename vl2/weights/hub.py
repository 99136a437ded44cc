"""Find a checkpoint: a local directory, a size by its short name, or a repository of the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

from vl2.core.errors import WeightsError, nearest

SHORT_NAMES = {
    "tiny": "deepseek-ai/deepseek-vl2-tiny",
    "small": "deepseek-ai/deepseek-vl2-small",
    "base": "deepseek-ai/deepseek-vl2",
}
POCKET = "pocket"  # the size that travels inside the package
NEEDED_FILES = ["*.json", "*.safetensors"]


def find_checkpoint(path_or_name: str | Path) -> Path:
    """Return the directory of a checkpoint, downloading it when it is a hub name. HF_HUB_OFFLINE is respected.

    Raises WeightsError when there is none.
    """
    if Path(path_or_name).is_dir():
        return Path(path_or_name)
    name = str(path_or_name)
    if name == POCKET:
        return _packaged_pocket()
    repository = SHORT_NAMES.get(name, name)
    if isinstance(path_or_name, Path) or repository.count("/") != 1 or repository.startswith((".", "/", "~")):
        raise WeightsError(
            name, "no such directory, size or hub repository", expected="a folder, owner/name or a short name",
            do=nearest(name, [*SHORT_NAMES, POCKET]) or f"Short names are {', '.join([*SHORT_NAMES, POCKET])}.",
        )
    return _download(repository)


def _download(repository: str) -> Path:
    try:
        return Path(snapshot_download(repository, allow_patterns=NEEDED_FILES))
    except GatedRepoError:
        raise WeightsError(repository, "access is restricted", do="Ask for access on its page and log in.") from None
    except RepositoryNotFoundError:
        raise WeightsError(repository, "no such repository on the hub", do="Check the name.") from None
    except HFValidationError:
        raise WeightsError(repository, "not a repository name", expected="owner/name") from None
    except (OSError, ValueError) as error:  # no network and not in the cache, a full disk, a broken transfer
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].removeprefix("Got: ")[:160].rstrip(".")
        raise WeightsError(
            repository, f"neither cached nor fetched: {reason}", do="Connect once, or give a local folder."
        ) from None


def _packaged_pocket() -> Path:
    directory = Path(__file__).parents[1] / POCKET
    if not directory.is_dir():
        raise WeightsError(POCKET, "not part of this installation", do="Give the folder of a checkpoint.")
    return directory
