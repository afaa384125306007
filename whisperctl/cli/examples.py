"""Examples that help shows, by command."""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "whisperctl": (
        "whisperctl models pull base           # get a model, once",
        "whisperctl transcribe talk.mp3        # print what is said",
        "whisperctl transcribe film.mp4 -f srt # write film.srt",
        "whisperctl compare talk.mp3           # time every engine",
        "whisperctl doctor                     # is everything here?",
    ),
    "whisperctl transcribe": (
        "whisperctl transcribe talk.mp3",
        "whisperctl transcribe *.mp4 -f srt,vtt -o subtitles --language de",
        "whisperctl transcribe film.mkv -f srt --max-line-width 42 --max-line-count 2",
        "whisperctl transcribe talk.mp3 --clip 1:30-2:00 --word-timestamps -f json",
        'whisperctl transcribe call.wav --vad --initial-prompt "Łódź, ACME GmbH"',
        "whisperctl transcribe --recursive recordings -f srt --resume --jobs 2",
        "ffmpeg -i stream.ts -f wav - | whisperctl transcribe -",
    ),
    "whisperctl compare": (
        "whisperctl compare talk.mp3",
        "whisperctl compare talk.mp3 -t 1,2 --quant f16,q8_0 --repeat 5",
        "whisperctl compare *.flac --reference texts -o report.html -o run.json",
        'whisperctl compare --from run.json --fail-if "wer>0.05"',
    ),
    "whisperctl models": (
        "whisperctl models pull base tiny.en",
        "whisperctl models quantize base q5_1",
        "whisperctl models list --installed",
    ),
    "whisperctl subtitles": (
        "whisperctl subtitles convert film.srt film.vtt",
        "whisperctl subtitles lint --profile netflix film.srt",
    ),
    "whisperctl config": (
        "whisperctl config show",
        '"$EDITOR" "$(whisperctl config path)"',
        "WHISPERCTL_LANGUAGE=de whisperctl config show",
    ),
    "whisperctl completion": (
        "source <(whisperctl completion bash)                  # in ~/.bashrc",
        "source <(whisperctl completion zsh)                   # in ~/.zshrc",
        "whisperctl completion fish | source                   # in config.fish",
    ),
}
