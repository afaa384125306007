"""Command classes: help by topic, other tools' spellings, and configuration, on top of typer's.

``Command`` and ``Group`` print help. ``ConfiguredCommand`` takes options from environment variables
and the configuration file as well, through click's own machinery for both.

Every private part of Typer that we use is used here: it brings its own Click (``typer._click``) and
exports little of it, neither the types that a command's methods are given nor the error that stands
for a group's help, it has no other place to say how values are read, and its functions for
completion are not documented. Each may change with any version, so ``pyproject.toml`` bounds Typer.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

from typer import TyperException
from typer.core import TyperCommand, TyperGroup, TyperOption

from whisperctl.cli.support import help_text
from whisperctl.cli.support.configuration import Key, Keys, Setting
from whisperctl.errors import UsageError, WhisperctlError
from whisperctl.text import quoted

if TYPE_CHECKING:
    from typer._click import Command as ClickCommand
    from typer._click import Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem, ShellComplete

    from whisperctl.cli.support.aliases import Own

    # For annotations alone: import them under TYPE_CHECKING.
    __all__ = ["ClickCommand", "Context", "HelpFormatter"]

_TYPED, _ENVIRONMENT, _FILE = "COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP"
"""click's names for the source of a value."""

_ORDER = (_TYPED, _ENVIRONMENT, _FILE, "DEFAULT")

_EXCLUSIVE = (
    ("quiet", "verbose"),
    ("initial_prompt", "initial_prompt_file"),
    ("clip", "offset"),
    ("clip", "duration"),
    ("vad", "vad_threshold"),
    ("vad", "vad_min_speech_duration_ms"),
    ("vad", "vad_min_silence_duration_ms"),
    ("vad", "vad_max_speech_duration_s"),
    ("vad", "vad_speech_pad_ms"),
)
"""Options that cannot both be given, by the names of their parameters; of ``vad`` it is the no."""

SHOWN = "whisperctl.shown"
"""Key of a context's ``meta`` that is true if values are shown, and nothing is run."""

_FORMATS = (("output_format", "output"), "name the formats to write")
_NEEDS = {
    "null": (("files_from",), "name the list to read"),
    "skip_existing": _FORMATS,
    **dict.fromkeys(
        (
            *("profile", "max_line_width", "max_line_count", "max_words_per_line", "max_cps"),
            *("min_cue_gap", "min_duration", "max_duration", "highlight_words", "split_sentences"),
            *("ass_font", "ass_font_size", "ass_color", "ass_outline_color"),
        ),
        _FORMATS,
    ),
}
"""Options without effect unless one of others is given, and what to do about it."""

_YES = ("1", "true", "t", "yes", "y", "on")
_NO = ("", "0", "false", "f", "no", "n", "off")


class _Reader:
    """Reads values of one parameter as its type.

    Typer has pydantic do it, which takes long to import and has its own words for what is wrong.
    """

    def __init__(self, kind: object) -> None:
        self._kind = kind

    def coerce(self, value: Any, param: Any, ctx: Context) -> Any:
        """Return what was given as the type; typer calls it with these names.

        Raises:
            UsageError: it is not of the type, or not in the parameter's range.
        """
        if value is None:
            return () if param.multiple or param.nargs == -1 else None
        name = help_text.long_name(param) if isinstance(param, TyperOption) else param.name
        label = name.replace("-", " ")
        if get_origin(self._kind) is list:
            (kind,) = get_args(self._kind)
            return [_in_range(_read(kind, one, label), param, label) for one in value]
        return _in_range(_read(self._kind, value, label), param, label)


def _in_range(value: Any, param: Any, label: str) -> Any:
    """Return ``value``, which the range of ``param`` holds, if it has one.

    Raises:
        UsageError: it does not.
    """
    from whisperctl.options import Option

    allowed = Option("", minimum=getattr(param, "min", None), maximum=getattr(param, "max", None))
    if allowed.range and not allowed.allows(value):
        raise UsageError(f"{label} must be {allowed.range}, not {value}")
    return value


def _read(kind: Any, value: Any, label: str) -> Any:
    """Return ``value`` as ``kind``, a type or a ``Literal``.

    Raises:
        UsageError: it cannot be read as that; ``label`` is the option in the message.
    """
    if get_origin(kind) is Literal:
        choices = {str(choice): choice for choice in get_args(kind)}
    elif issubclass(kind, Enum):
        choices = {str(choice.value): choice for choice in kind}
    elif kind is bool:
        choices = {**dict.fromkeys(_YES, True), **dict.fromkeys(_NO, False)}
    elif isinstance(value, kind):
        return value
    elif kind is Path:
        from whisperctl.storage import urls

        # A path would keep one slash of two, and print what a URL holds of secrets.
        return Path(urls.local(value))
    else:
        with suppress(ValueError):
            return kind(value)
        raise _must_be(label, "a whole number" if kind is int else "a number", value)
    text = str(getattr(value, "value", value))
    if kind is bool:
        text = text.strip().lower()
    if text in choices:
        return choices[text]
    names = ["true", "false"] if kind is bool else [f'"{name}"' for name in choices]
    raise _must_be(label, " or ".join(names), value)


def _must_be(label: str, wanted: str, value: object) -> UsageError:
    return UsageError(f"{label} must be {wanted}, not {quoted(str(value))}")


class _Helpful:
    """Base of commands and groups."""

    def get_help_option(self, ctx: Context) -> TyperOption | None:
        """Return ``--help`` with the default ``False``.

        typer's own default is ``None``; to check that against a boolean it loads pydantic, which
        takes longer than everything else that showing help takes.
        """
        option: TyperOption | None = super().get_help_option(ctx)  # type: ignore[misc]  # a mixin
        if option is not None:
            option.default = False
        return option


class Command(_Helpful, TyperCommand):
    """A command with our own help, which reads values in our own way.

    ``ours`` has what other tools call options of ours, and how to give those.
    """

    ours: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for param in self.params:
            param._runtime_param = _Reader(param.type_descriptor.annotation)  # type: ignore[attr-defined]  # typer's parameters have both
            if isinstance(param, TyperOption) and param._custom_shell_complete is None:
                param._custom_shell_complete = _completer(str(param.metavar))

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the command line; errors about it know which command it is of."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            name = str(getattr(error, "option_name", ""))
            if name in self.ours:
                raise UsageError(
                    f"{name} is not an option of {ctx.command_path}: use {self.ours[name]}"
                ) from error
            if getattr(error, "ctx", ctx) is None:
                error.ctx = ctx  # type: ignore[attr-defined]  # a usage error's
            raise

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Return the parts of the usage line; typer's own has required arguments in braces."""
        return ["[OPTIONS]", *help_text.usage(self.get_params(ctx))]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write examples, arguments, and options by topic."""
        help_text.write_examples(ctx.command_path, formatter)
        help_text.write_parameters(self.get_params(ctx), formatter)


def _completer(metavar: str) -> Callable[..., list[CompletionItem]] | None:
    """Return click's completer of an option whose placeholder shows its values."""
    from whisperctl.cli import completion

    values = completion.of_metavar(metavar)
    if values is None:
        return None

    def complete(ctx: Context, param: Any, incomplete: str) -> list[CompletionItem]:
        from typer._click.shell_completion import CompletionItem

        return [CompletionItem(value, help=about) for value, about in values(incomplete)]

    return complete


class Group(_Helpful, TyperGroup):
    """A group of commands with our own help."""

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, ClickCommand | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            UsageError: there is no such command.
        """
        is_name = args and not args[0].startswith("-")
        if is_name and args[0] not in self.commands and not ctx.resilient_parsing:
            from whisperctl.text import unknown

            raise UsageError(unknown("command", args[0], self.commands))
        return super().resolve_command(ctx, args)

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write examples, the commands, and the few options."""
        help_text.write_examples(ctx.command_path, formatter)
        self.format_commands(ctx, formatter)
        help_text.write_parameters(self.get_params(ctx), formatter)


class ConfiguredCommand(Command):
    """A command whose options the environment and the configuration file may set."""

    group: str = ""
    """Name of the group that the command is in, if any."""

    apart: frozenset[str] = frozenset()
    """Names of options with another meaning than another command's of the same name."""

    whole: frozenset[str] = frozenset()
    """Names of options that may be repeated, but whose variable holds a single value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keys = {key.name: key for key in self._keys()}
        by_parameter = {key.parameter: key for key in self.keys.values()}
        for option in self.options():
            key = by_parameter.get(option.name)
            if key is not None and key.shared:
                option.envvar = key.variable
                option.show_envvar = False  # which an error about what was typed need not name
            if key is not None and key.name in self.whole:
                # No variable holds a null character, so that there is nothing to part.
                option.envvar_list_splitter = "\0"  # type: ignore[misc]  # this option's alone

    @property
    def table(self) -> str:
        """Name of its table in the configuration file."""
        return self.group or str(self.name)

    def options(self) -> list[TyperOption]:
        """Return its options, without ``--help``."""
        return [param for param in self.params if isinstance(param, TyperOption)]

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Read the command line, the environment and the configuration file.

        Raises:
            UsageError: the file is wrong, or a variable's value.
        """
        settings: Mapping[str, Setting] = {}
        if not ctx.resilient_parsing and not set(ctx.help_option_names) & set(args):
            settings = _load(ctx).get(self.table, {})
        ctx.default_map = {name: setting.value for name, setting in settings.items()}
        with self._where_it_is_set(ctx):
            rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            self.settle(ctx)
        return rest

    def invoke(self, ctx: Context) -> Any:
        """Run it."""
        with self._where_it_is_set(ctx):
            return super().invoke(ctx)

    def settle(self, ctx: Context) -> None:
        """Drop configured options that have no effect here, or are the opposite of typed ones.

        Configuration must not keep a person from typing anything.

        Raises:
            UsageError: an option that was typed has no effect.
        """
        options = {option.name: option for option in self.options()}
        for pair in _EXCLUSIVE:
            if all(name in options and _given(ctx, name) for name in pair):
                near, far = sorted(pair, key=lambda name: _ORDER.index(_source(ctx, options[name])))
                if _source(ctx, options[near]) != _source(ctx, options[far]):
                    leave_out(ctx, options[far])
        if ctx.meta.get(SHOWN):  # without the arguments of a run
            return
        for name, (needed, advice) in _NEEDS.items():
            if not options.keys() >= {name, *needed}:
                continue
            if _given(ctx, name) and not any(map(ctx.params.get, needed)):
                if is_typed(ctx, options[name]):
                    raise UsageError(
                        f"--{help_text.long_name(options[name])} needs "
                        f"--{help_text.long_name(options[needed[0]])}: {advice}"
                    )
                leave_out(ctx, options[name])

    @contextmanager
    def _where_it_is_set(self, ctx: Context) -> Iterator[None]:
        """Add to an error about an option that was not typed where the option is set."""
        try:
            yield
        except WhisperctlError as error:
            where = self._where(ctx, str(error))
            if where:
                error.args = (f"{error} ({where})",)
            raise

    def _where(self, ctx: Context, message: str) -> str:
        for name in sorted(self.keys, key=len, reverse=True):
            words = name.replace("-", "[- ]")
            option = next(o for o in self.options() if o.name == self.keys[name].parameter)
            source = _source(ctx, option)
            if source in (_ENVIRONMENT, _FILE) and re.search(rf"\b{words}\b", message, re.I):
                if source == _ENVIRONMENT:
                    return f"set by the environment variable {option.envvar}"
                from whisperctl.cli.support import configuration
                from whisperctl.text import quoted

                return f"{name} is set in {quoted(configuration.path())}"
        return ""

    def _keys(self) -> Iterator[Key]:
        kinds = {
            parameter.name: _kind(parameter.annotation)
            for parameter in inspect.signature(
                self.callback or _nothing, eval_str=True
            ).parameters.values()
        }
        for option in self.options():
            name = help_text.long_name(option)
            yield Key(name, option.name, kinds[option.name], shared=name not in self.apart)


class TranscribeCommand(ConfiguredCommand):
    """``transcribe``, which accepts the spellings of OpenAI's whisper and whisper-cli too."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Translate the other tools' spellings to ours, and read the result.

        Raises:
            UsageError: an option of another tool is not ours.
        """
        from whisperctl.cli.support import aliases

        try:
            args = aliases.rewrite(args, self.own())
        except UsageError:
            if not ctx.resilient_parsing:  # the line is still being typed
                raise
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Context) -> Any:
        """Run it, with messages shown and logged as ``--verbose`` and ``--log-file`` ask for."""
        verbose, log_file = ctx.params["verbose"], ctx.params["log_file"]
        if not verbose and log_file is None:
            return super().invoke(ctx)
        from whisperctl.cli.support import console

        with console.messages(verbose=verbose, log_file=log_file):
            self._log_options(ctx)
            return super().invoke(ctx)

    def _log_options(self, ctx: Context) -> None:
        from whisperctl import __version__
        from whisperctl.cli.support import console

        console.ROOT.debug("whisperctl %s", __version__)
        for option in self.options():
            source = _source(ctx, option)
            if source != "DEFAULT":
                origin = {_ENVIRONMENT: "environment", _FILE: "file"}.get(source, "command line")
                value = ctx.params[option.name]
                console.ROOT.debug(
                    "option %s: %s (%s)",
                    help_text.long_name(option),
                    ", ".join(map(str, value)) if isinstance(value, list | tuple) else value,
                    origin,
                )

    def own(self) -> Own:
        """Return the options as ``aliases`` needs them."""
        from whisperctl.cli.support.aliases import Own
        from whisperctl.formats import FORMATS

        valued: set[str] = set()
        negated: dict[str, str] = {}
        for option in self.options():
            if not option.is_flag:
                valued.update(option.opts)
                continue
            opposite = option.secondary_opts[0] if option.secondary_opts else ""
            negated.update(dict.fromkeys(option.opts, opposite))
            negated.update(dict.fromkeys(option.secondary_opts, option.opts[0]))
        return Own(frozenset(valued), negated, frozenset({*FORMATS, "all"}))


def configured(root: TyperGroup) -> dict[str, ConfiguredCommand]:
    """Return the commands of ``root`` with configurable options, by their tables."""
    return {
        one.table: one
        for command in root.commands.values()
        for one in (command.commands.values() if isinstance(command, TyperGroup) else [command])
        if isinstance(one, ConfiguredCommand)
    }


def keys(root: TyperGroup) -> Keys:
    """Return the keys that the configuration file may set, by command."""
    return {name: command.keys for name, command in configured(root).items()}


def _load(ctx: Context) -> dict[str, dict[str, Setting]]:
    from whisperctl.cli.support import configuration

    root = ctx.find_root().command
    return configuration.load(lambda: keys(root)) if isinstance(root, TyperGroup) else {}


def _given(ctx: Context, name: str) -> bool:
    value = ctx.params[name]
    if name == "vad":
        return value is False
    return bool(value) or type(value) in (int, float)


def is_typed(ctx: Context, option: TyperOption) -> bool:
    """Return true if an option is on the command line."""
    return _source(ctx, option) == _TYPED


def leave_out(ctx: Context, option: TyperOption) -> None:
    """Take the default of an option that is configured, as if it were not."""
    ctx.params[option.name] = option.default
    source = ctx.get_parameter_source(option.name)
    if source is not None:  # or an error about another of that name would blame the configuration
        ctx.set_parameter_source(option.name, source.DEFAULT)


def _source(ctx: Context, option: TyperOption) -> str:
    source = ctx.get_parameter_source(option.name)
    return source.name if source is not None else ""


def _kind(annotation: object) -> object:
    """``float`` of ``Annotated[float | None, ...]``."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (arg for arg in get_args(annotation) if arg is not type(None))
    return annotation


def _nothing() -> None:
    pass


def is_help(error: Exception) -> bool:
    """Return true if an error is the help of a group that was called without a command."""
    from typer._click.exceptions import NoArgsIsHelpError

    return isinstance(error, NoArgsIsHelpError)


def completion_script(program: str, variable: str, shell: str) -> str:
    """Return the script that teaches ``shell`` to complete command lines of ``program``."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=program, complete_var=variable, shell=shell)


def complete(command: ClickCommand, program: str, variable: str, instruction: str) -> int:
    """Print completions of the line that the environment holds, and return the exit code.

    Raises:
        SystemExit: the exit code, for a shell that is answered by it.
    """
    from typer.completion import shell_complete

    _teach_shells()
    return shell_complete(command, {}, program, variable, instruction)


def _teach_shells() -> None:
    """Have typer answer shells as it does with ``add_completion=True``, but for ``--name=value``.

    bash takes ``=`` for a word of its own and completes what is after it. zsh and fish complete the
    word as a whole, so that values need the option's name in front.
    """
    from typer._click.shell_completion import CompletionItem, add_completion_class
    from typer._completion_classes import BashComplete, FishComplete, ZshComplete

    class Bash(BashComplete):
        def get_completion_args(self) -> tuple[list[str], str]:
            args, incomplete = super().get_completion_args()
            joined: list[str] = []
            for word in [*args, incomplete]:
                option = joined[-1] if joined else ""
                if option.startswith("--") and (word == "=" or option.endswith("=")):
                    joined[-1] += word
                else:
                    joined.append(word)
            return joined[:-1], joined[-1]

    def whole(kind: type[ShellComplete]) -> type[ShellComplete]:
        class Whole(kind):  # type: ignore[valid-type, misc]  # a class made of one that is given
            def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
                found: list[CompletionItem] = super().get_completions(args, incomplete)
                name, equals, _ = incomplete.partition("=")
                if equals and name.startswith("--"):
                    return [CompletionItem(f"{name}={one.value}", help=one.help) for one in found]
                return found

        return Whole

    for name, kind in (("bash", Bash), ("zsh", whole(ZshComplete)), ("fish", whole(FishComplete))):
        add_completion_class(kind, name)
