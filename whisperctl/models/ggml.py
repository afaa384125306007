"""Reads a ggml Whisper file's header and walks its tensors, so that only whole models are opened.

whisper.cpp itself aborts or reads past the end of many damaged files; this says what is wrong with
one first. The weights are passed over, not read, so even the largest model takes milliseconds.
"""

from __future__ import annotations

import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from whisperctl.errors import ModelError
from whisperctl.models import foreign
from whisperctl.models.layout import (
    FIRST_MULTILINGUAL_VOCAB,
    FTYPE_PER_VERSION,
    MAGIC,
    N_FFT,
    TYPE_OF_FTYPE,
    Hyperparameters,
    TensorSpec,
    tensors,
)
from whisperctl.quoting import quoted

_HEADER_BYTES = 48
_MAX_TOKEN_BYTES = 1 << 16
_MAX_NAME_BYTES = 256
# Far beyond any Whisper, and small enough that no product of two overflows whisper.cpp's int32.
_MAX_PARAMETER = 1 << 20
_MAX_LAYERS = 512
_KIND_OF_LAYERS = {4: "tiny", 6: "base", 12: "small", 24: "medium", 32: "large"}


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What a ggml Whisper file says of itself.

    ``kind`` is the family as whisper.cpp sees it ("tiny.en", "base", "large-v3", "large-v3-turbo"),
    ``ftype`` the number format of the large tensors ("f16", "q5_1").
    """

    kind: str
    ftype: str
    multilingual: bool
    n_languages: int
    n_vocab: int
    n_mels: int
    n_audio_ctx: int
    n_text_ctx: int
    n_state: int
    n_audio_layers: int
    n_text_layers: int
    n_text_heads: int
    size_bytes: int


def inspect(path: Path) -> ModelInfo:
    """Check that ``path`` is a whole ggml Whisper model.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            hint = (
                "import it with: whisperctl models import"
                if (path / "model.bin").exists()
                else "name a ggml file"
            )
            raise ModelError(f"{quoted(path)} is a directory, not a model file: {hint}")
        if not stat.S_ISREG(mode):
            raise ModelError(f"{quoted(path)} is not a file: name a ggml file")
        with path.open("rb") as file:
            return _Walk(path, file).run()
    except FileNotFoundError as error:
        raise ModelError(f"{quoted(path)} does not exist: check the name") from error
    except PermissionError as error:
        raise ModelError(f"{quoted(path)} may not be read: check its permissions") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelError(f"{quoted(path)} cannot be read: {reason}") from error


class _Walk:
    """One pass over one file."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.size = os.fstat(file.fileno()).st_size

    def run(self) -> ModelInfo:
        parameters = self._header()
        self._mel_filters(parameters)
        self._vocabulary(parameters)
        self._tensors(parameters)
        return _info(parameters, self.size)

    def _header(self) -> Hyperparameters:
        head = self.file.read(foreign.HEAD_BYTES)
        if not head:
            raise ModelError(f"{quoted(self.path)} is empty: pull or copy the model again")
        description = foreign.describe(head)
        if head[:4] != struct.pack("<I", MAGIC) or "Silero" in description:
            raise ModelError(
                f"{quoted(self.path)} is not a ggml Whisper model: it is {description}"
            )
        if len(head) < _HEADER_BYTES:
            self._truncated("in its header")
        parameters = Hyperparameters.unpack(head[4:_HEADER_BYTES])
        self.file.seek(_HEADER_BYTES)
        p = parameters
        plausible = (
            FIRST_MULTILINGUAL_VOCAB - 1 <= p.n_vocab < _MAX_PARAMETER
            and 0 < p.n_audio_ctx < _MAX_PARAMETER
            and 0 < p.n_text_ctx < _MAX_PARAMETER
            and 0 < p.n_audio_state < _MAX_PARAMETER
            and p.n_text_state == p.n_audio_state
            and 0 < p.n_audio_head <= p.n_audio_state
            and 0 < p.n_text_head <= p.n_text_state
            and 0 < p.n_audio_layer <= _MAX_LAYERS
            and 0 < p.n_text_layer <= _MAX_LAYERS
            and 0 < p.n_mels <= 1024
            and p.ftype >= 0
        )
        if not plausible:
            self._damaged("its header is that of no Whisper model")
        if p.ftype % FTYPE_PER_VERSION not in TYPE_OF_FTYPE:
            self._damaged(f"its number format (ftype {p.ftype}) is unknown")
        if p.n_audio_state % p.weight_type.block:
            self._damaged(f"{p.weight_type.name} does not fit {p.n_audio_state} wide layers")
        return parameters

    def _mel_filters(self, parameters: Hyperparameters) -> None:
        n_mels, n_fft = self._integers(2, "in its header")
        if n_mels != parameters.n_mels or n_fft != N_FFT:
            self._damaged(f"its mel filters are {n_mels} by {n_fft}")
        self._skip(4 * n_mels * n_fft, "in its mel filters")

    def _vocabulary(self, parameters: Hyperparameters) -> None:
        where = "in its vocabulary"
        (n_tokens,) = self._integers(1, where)
        if not 0 < n_tokens <= parameters.n_vocab:
            self._damaged(f"its vocabulary has {n_tokens} tokens")
        for _ in range(n_tokens):
            (length,) = self._integers(1, where)
            if not 0 <= length <= _MAX_TOKEN_BYTES:
                self._damaged("its vocabulary is garbled")
            # Reading is faster here than seeking: tokens are a few bytes long.
            if len(self.file.read(length)) < length:
                self._truncated(where)

    def _tensors(self, parameters: Hyperparameters) -> None:
        missing = {spec.name: spec for spec in tensors(parameters)}
        expected = self.file.tell() + sum(
            12 + 4 * len(spec.dims) + len(spec.name) + spec.n_bytes(parameters)
            for spec in missing.values()
        )
        if self.file.tell() == self.size:
            raise ModelError(
                f"{quoted(self.path)} has no weights: it is one of whisper.cpp's test files, "
                "not a model"
            )
        if self.size < expected:
            raise ModelError(
                f"{quoted(self.path)} is truncated: it has {self.size} bytes of {expected}; "
                "pull or copy the model again"
            )
        while missing:
            self._tensor(missing, parameters)
        if self.size > expected:
            self._damaged(f"it has {self.size} bytes, {self.size - expected} too many")

    def _tensor(self, missing: dict[str, TensorSpec], parameters: Hyperparameters) -> None:
        where = "in its tensors"
        n_dims, name_length, type_id = self._integers(3, where)
        if not (1 <= n_dims <= 4 and 0 < name_length <= _MAX_NAME_BYTES):
            self._damaged("its tensors are garbled")
        dims = self._integers(n_dims, where)
        name = self.file.read(name_length).decode("utf-8", "replace")
        spec = missing.pop(name, None)
        if spec is None:
            self._damaged(f"it has an unexpected tensor {quoted(name)}")
        kind = spec.type_in(parameters)
        if dims != spec.dims:
            self._damaged(f'its tensor "{name}" has shape {dims} instead of {spec.dims}')
        if type_id != kind.id:
            self._damaged(f'its tensor "{name}" has type {type_id}, not {kind.id} ({kind.name})')
        self._skip(spec.n_bytes(parameters), where)

    def _integers(self, n: int, where: str) -> tuple[int, ...]:
        data = self.file.read(4 * n)
        if len(data) < 4 * n:
            self._truncated(where)
        return struct.unpack(f"<{n}i", data)

    def _skip(self, n_bytes: int, where: str) -> None:
        if self.file.tell() + n_bytes > self.size:
            self._truncated(where)
        self.file.seek(n_bytes, os.SEEK_CUR)

    def _truncated(self, where: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is truncated: it ends after {self.size} bytes, {where}; "
            "pull or copy the model again"
        )

    def _damaged(self, what: str) -> NoReturn:
        raise ModelError(
            f"{quoted(self.path)} is damaged or not a Whisper model: {what}; "
            "pull or copy the model again"
        )


def _info(p: Hyperparameters, size_bytes: int) -> ModelInfo:
    return ModelInfo(
        kind=_kind(p),
        ftype=p.weight_type.name,
        multilingual=p.multilingual,
        # The language tokens lie between the text tokens and 1608 others (whisper.cpp:
        # num_languages).
        n_languages=p.n_vocab - 51765 - 1 if p.multilingual else 1,
        n_vocab=p.n_vocab,
        n_mels=p.n_mels,
        n_audio_ctx=p.n_audio_ctx,
        n_text_ctx=p.n_text_ctx,
        n_state=p.n_audio_state,
        n_audio_layers=p.n_audio_layer,
        n_text_layers=p.n_text_layer,
        n_text_heads=p.n_text_head,
        size_bytes=size_bytes,
    )


def _kind(p: Hyperparameters) -> str:
    kind = _KIND_OF_LAYERS.get(p.n_audio_layer)
    if kind is None:
        return "custom"
    if kind == "large" and p.n_mels == 128:
        kind = "large-v3"
    if p.n_text_layer == 4 and kind.startswith("large"):
        kind += "-turbo"
    elif p.n_text_layer != p.n_audio_layer:
        kind += "-distilled"
    return kind if p.multilingual else f"{kind}.en"
