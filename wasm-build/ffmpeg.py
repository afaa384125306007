"""Configures FFmpeg for the media module, without running its configure script.

``media/config.h`` records what that script finds out about the compiler and WASI's libc. Which
sources a component needs is read from FFmpeg's own build files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from compiler import BuildError

LIBRARIES = ("avcodec", "avformat", "avutil", "swresample")

# What the module reads, by FFmpeg's names; what these need comes with them.
_DEMUXERS = (
    "aac ac3 aiff amr amrnb amrwb ape asf au avi caf dts dtshd eac3 flac flv gsm loas matroska mlp "
    "mov mp3 mpegps mpegts ogg tak truehd tta voc w64 wav wv xwma"
)
_DECODERS = (
    "aac aac_latm ac3 alac amrnb amrwb ape dca eac3 flac gsm gsm_ms mlp mp1float mp2float mp3float "
    "nellymoser opus speex tak truehd tta vorbis wavpack wmalossless wmapro wmav1 wmav2 wmavoice "
    "pcm_alaw pcm_bluray pcm_dvd pcm_f16le pcm_f24le pcm_f32be pcm_f32le pcm_f64be pcm_f64le "
    "pcm_mulaw pcm_s16be pcm_s16be_planar pcm_s16le pcm_s16le_planar pcm_s24be pcm_s24le "
    "pcm_s24le_planar pcm_s32be pcm_s32le pcm_s32le_planar pcm_s64be pcm_s64le pcm_s8 "
    "pcm_s8_planar pcm_u16be pcm_u16le pcm_u24be pcm_u24le pcm_u32be pcm_u32le pcm_u8 "
    "adpcm_ct adpcm_g722 adpcm_g726 adpcm_g726le adpcm_ima_dk3 adpcm_ima_dk4 adpcm_ima_qt "
    "adpcm_ima_wav adpcm_ms adpcm_sbpro_2 adpcm_sbpro_3 adpcm_sbpro_4 adpcm_swf adpcm_yamaha"
)
_PARSERS = "aac aac_latm ac3 amr dca flac gsm mlp mpegaudio opus tak vorbis"

# What FFmpeg's build files always compile and nothing of the above uses. If something does one day,
# the linker names the symbol that is missing.
_UNUSED = {
    "avcodec": (
        "adts_parser avdct avfft d3d11va dv_profile fft_fixed_32 fft_init_table imgconvert jni "
        "mdct_fixed_32 mediacodec qsv_api version"
    ),
    "avformat": "mux mux_utils os_support sdp url version",
    "avutil": (
        "adler32 blowfish camellia cast5 color_utils cpu csp detection_bbox file "
        "film_grain_params hash hdr_dynamic_metadata hdr_dynamic_vivid_metadata hmac "
        "hwcontext_stub integer intmath lls murmur3 pixelutils ripemd sha512 slicethread tea "
        "threadmessage tree twofish tx tx_double tx_float tx_int32 uuid video_enc_params "
        "xga_font_data xtea"
    ),
    "swresample": "swresample_frame version",
}

COMPONENTS = frozenset(
    f"{name}_{kind}"
    for kind, names in (("demuxer", _DEMUXERS), ("decoder", _DECODERS), ("parser", _PARSERS))
    for name in names.split()
)

# Where FFmpeg declares its components, and the list that it includes there.
_LISTS = {
    "libavcodec/codec_list.c": ("FFCodec", "codec_list", "libavcodec/allcodecs.c"),
    "libavcodec/parser_list.c": ("AVCodecParser", "parser_list", "libavcodec/parsers.c"),
    "libavcodec/bsf_list.c": (
        "FFBitStreamFilter",
        "bitstream_filters",
        "libavcodec/bitstream_filters.c",
    ),
    "libavformat/demuxer_list.c": ("AVInputFormat", "demuxer_list", "libavformat/allformats.c"),
    "libavformat/muxer_list.c": ("AVOutputFormat", "muxer_list", "libavformat/allformats.c"),
    "libavformat/protocol_list.c": ("URLProtocol", "url_protocols", "libavformat/protocols.c"),
}

_NAMES = re.compile(r"\b(?:ARCH|CONFIG|HAVE)_[A-Za-z0-9_]*[A-Za-z0-9]\b")
_NOT_CONFIGURED = frozenset({"HAVE_AV_CONFIG_H"})


def configure(tree: Path, recorded: Path, folder: Path) -> list[str]:
    """Write the headers and lists that FFmpeg's configure script would, and name the sources.

    Args:
        tree: FFmpeg's source.
        recorded: ``media/config.h``.
        folder: where they go.

    Returns:
        Paths in ``tree``.

    Raises:
        BuildError: FFmpeg has no such component, or its files are not as they used to be.
    """
    declared = {
        path: re.findall(rf"^extern const {kind} +ff_(\w+);", _read(tree / source), re.MULTILINE)
        for path, (kind, _, source) in _LISTS.items()
    }
    known = {name for names in declared.values() for name in names}
    found = _defined(recorded)
    enabled = _with_needs(
        COMPONENTS
        | {name.removeprefix("CONFIG_").lower() for name in found if name.startswith("CONFIG_")},
        _read(tree / "configure"),
    )
    if unknown := COMPONENTS - known:
        raise BuildError(f"FFmpeg does not know these components: {', '.join(sorted(unknown))}")
    ones = found | {f"CONFIG_{name.upper()}" for name in enabled}
    zeros = {
        name
        for library in LIBRARIES
        for path in (tree / f"lib{library}").glob("*.[ch]")
        for name in _NAMES.findall(_read(path))
    } | {f"CONFIG_{name.upper()}" for name in known}
    zeros -= ones | _NOT_CONFIGURED
    written = {
        "config.h": f'{_read(recorded)}\n#include "config_components.h"\n',
        "config_components.h": "".join(
            f"#ifndef {name}\n#define {name} {value}\n#endif\n"
            for names, value in ((ones - found, 1), (zeros, 0))
            for name in sorted(names)
        ),
        "libavutil/avconfig.h": "#define AV_HAVE_BIGENDIAN 0\n#define AV_HAVE_FAST_UNALIGNED 1\n",
        "libavutil/ffversion.h": f'#define FFMPEG_VERSION "{_read(tree / "RELEASE").strip()}"\n',
    }
    for path, (kind, name, _) in _LISTS.items():
        entries = "".join(f"    &ff_{entry},\n" for entry in declared[path] if entry in enabled)
        written[path] = f"static const {kind} * const {name}[] = {{\n{entries}    NULL\n}};\n"
    for path, text in written.items():
        _write(folder / path, text)
    return [
        f"lib{library}/{name}.c"
        for library in LIBRARIES
        for name in _sources(tree / f"lib{library}", ones)
        if name not in _UNUSED[library].split()
    ]


def _read(path: Path) -> str:
    return path.read_text("utf-8", "replace")


def _write(path: Path, text: str) -> None:
    """Write a file unless it is the same, so that what includes it is not compiled again."""
    if not path.is_file() or _read(path) != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def _defined(header: Path) -> frozenset[str]:
    return frozenset(
        re.findall(r"^#define ((?:ARCH|CONFIG|HAVE)_\w+) 1$", _read(header), re.MULTILINE)
    )


def _with_needs(names: Iterable[str], configure: str) -> set[str]:
    """These and all that they select, directly or not."""
    selects = {
        name: value.split()
        for name, value in re.findall(r'^(\w+)_select="([^"]*)"', configure, re.MULTILINE)
    }
    enabled: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in enabled:
            enabled.add(name)
            waiting += selects.get(name, [])
    return enabled


def _sources(folder: Path, ones: frozenset[str]) -> Iterator[str]:
    """Sources of a library by its Makefile: those that are always compiled, and those asked for."""
    makefile = _read(folder / "Makefile").replace("\\\n", " ")
    objects: dict[str, None] = {}
    for negated, condition, names in re.findall(
        r"^(?:STLIB)?OBJS(?:-\$\((!?)(\w+)\))? *\+?= *(.*)$", makefile, re.MULTILINE
    ):
        if not condition or (condition in ones) != bool(negated):
            objects.update(dict.fromkeys(name for name in names.split() if name.endswith(".o")))
    for name in sorted(objects):
        yield name.removesuffix(".o")
