"""Downloads from the model hub, through ``huggingface_hub`` and the user's settings of it.

Downloads go to the hub library's own cache (``HF_HOME``, ``HF_HUB_CACHE``), where other programs
find them; ``HF_ENDPOINT``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` mean what they mean elsewhere. The
library resumes a broken download.
"""

from __future__ import annotations

import logging
import re
import socket
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whisperctl.errors import ModelError, WhisperctlError
from whisperctl.models.catalog import CatalogModel
from whisperctl.models.ggml.files import OnProgress, ignore
from whisperctl.models.store import StoreError

if TYPE_CHECKING:
    from huggingface_hub.utils.tqdm import tqdm

_SHA256 = re.compile(r"[0-9a-f]{64}")
_FULL_MARKS = ("No space left", "Disk quota exceeded", "File too large", "not enough free disk")


class HubError(ModelError):
    """The hub could not be reached, or does not have the model."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file in the hub library's cache, and its SHA-256 where the hub states one."""

    path: Path
    sha256: str | None

    def discard(self) -> None:
        """Remove a damaged file from the cache, so that the next download starts from scratch."""
        with suppress(OSError):
            self.path.resolve().unlink()
            self.path.unlink()


def fetch(model: CatalogModel, on_progress: OnProgress = ignore) -> Download:
    """Download a published model, or find it in the hub library's cache.

    Raises:
        HubError: the hub cannot be reached or refuses.
        StoreError: the disk is full.
    """
    import huggingface_hub
    from huggingface_hub import constants, errors

    _check_reachable(constants.ENDPOINT, offline=constants.is_offline_mode())
    step = f"downloading {model.name} from the model hub"
    on_progress(step, 0, model.size_bytes)
    try:
        with _quiet():
            path = huggingface_hub.hf_hub_download(
                model.repository, model.file_name, tqdm_class=_progress_bar(step, on_progress)
            )
    except WhisperctlError:  # raised by on_progress to stop
        raise
    except errors.LocalEntryNotFoundError as error:
        reason = "it cannot be reached (is this machine online?)"
        if constants.is_offline_mode():
            reason = "HF_HUB_OFFLINE is set, and the hub library's cache does not have it"
        raise HubError(reason) from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        raise HubError(f"it has no {model.file_name} in {model.repository}") from error
    except Exception as error:  # the library lets through those of its HTTP and transfer layers
        text = " ".join(str(error).split())
        if any(mark.lower() in text.lower() for mark in _FULL_MARKS):
            raise StoreError(
                f"the disk is full: free some space at {constants.HF_HUB_CACHE}, or set HF_HOME "
                "to a directory with more"
            ) from error
        raise HubError(f"the download failed ({type(error).__name__}: {text[:200]})") from error
    return Download(Path(path), _stated_sha256(Path(path)))


def _check_reachable(endpoint: str, *, offline: bool) -> None:
    """Fail at once if the hub's name does not resolve, instead of after the library's retries."""
    address = urlsplit(endpoint)
    proxies = urllib.request.getproxies()
    if offline or "all" in proxies or address.scheme in proxies or not address.hostname:
        return
    try:
        socket.getaddrinfo(address.hostname, address.port)
    except OSError as error:
        raise HubError("it cannot be reached (is this machine online?)") from error


def _stated_sha256(path: Path) -> str | None:
    """Hash stated by the hub, by which the cache names large files; ``None`` if it has none."""
    name = path.resolve().name
    return name if _SHA256.fullmatch(name) else None


def _progress_bar(step: str, on_progress: OnProgress) -> type[tqdm]:
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        """A progress bar that reports to ``on_progress`` instead of drawing."""

        def display(self, *_args: object, **_options: object) -> None:
            total = None if self.total is None else int(self.total)
            on_progress(step, int(self.n), total)

        def clear(self, *_args: object, **_options: object) -> None:
            return

    return Bar


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the library's own warnings off the terminal."""
    from huggingface_hub.utils import logging as hub_logging

    before = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub_logging.set_verbosity(before)
