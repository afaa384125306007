"""Speech to text and subtitles on the command line, natively and in a WebAssembly sandbox."""

__version__ = "0.1.0"
