"""Templating fills places of a text in: Jinja2's language in its sandbox, less everything that could run away or hide.

There are names, their parts, a few filters, `if` and `for`; no calls, no assignments, no macros, no other files. A loop
takes at most MAX_STEPS steps and a text at most MAX_OUTPUT characters, so any template ends in a blink.
"""

import traceback
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, cast

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, Undefined, meta, nodes
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SOURCE = 20_000
MAX_OUTPUT = 64_000
MAX_STEPS = 20_000
# What stands at the head of every loop's body, so that each turn counts even where it prints nothing.
_STEP = "_step"
_FILE = "<template>"
_FILTERS = (
    "capitalize", "count", "default", "e", "escape", "first", "float", "int", "last", "length", "lower", "round",
    "title", "trim", "truncate", "upper", "urlencode",
)  # fmt: skip
_TESTS = ("defined", "none", "number", "string", "undefined", "even", "odd")
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.If,
    nodes.For, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Test, nodes.Filter,
    nodes.Keyword, nodes.Concat, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg, nodes.Tuple, nodes.List,
)  # fmt: skip


class TemplateFaultError(Exception):
    """A template cannot be used: the line in it, counted from 1, what is wrong there, and what to do."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


def _printed(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, (str, int, float, Undefined)):
        # What is not defined says so itself, by its name, as soon as it is written.
        return value
    raise TemplateError(f"a {type(value).__name__} cannot be written: name one of its parts, or loop over it")


class _Environment(ImmutableSandboxedEnvironment):
    def __init__(self, *, html: bool) -> None:
        super().__init__(
            autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_printed
        )
        own = cast("Any", self)
        own.globals.clear()
        own.filters = {name: own.filters[name] for name in _FILTERS}
        own.tests = {name: own.tests[name] for name in _TESTS}


_environments = {html: _Environment(html=html) for html in (False, True)}


def render(source: str, fields: Mapping[str, Any], *, html: bool = False) -> str:
    """Return a template filled with fields (texts, numbers, mappings and sequences of them).

    `html` says that the template is HTML, so that what is filled in is escaped. Raises TemplateFaultError.
    """
    template = _compiled(source, html)
    try:
        return "".join(_within_limits(template.generate({**fields, _STEP: ""})))
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise TemplateFaultError(_line_of(error), str(error)) from error


def _within_limits(parts: Iterator[str]) -> Iterator[str]:
    size = 0
    for step, part in enumerate(parts):
        size += len(part)
        if step >= MAX_STEPS:
            raise TemplateError(f"its loops take more than {MAX_STEPS} steps: loop over less")
        if size > MAX_OUTPUT:
            raise TemplateError(f"it gives more than {MAX_OUTPUT} characters: write less")
        yield part


def check(source: str, samples: Sequence[Mapping[str, Any]], *, html: bool = False) -> None:
    """Raise TemplateFaultError for a template that cannot be read, names what there is not, or fails with a sample."""
    known = frozenset(name for sample in samples for name in sample)
    tree = _parsed(source, html)
    unknown = meta.find_undeclared_variables(tree) - known
    for name in tree.find_all(nodes.Name):
        if name.name in unknown:
            raise TemplateFaultError(
                name.lineno, f"{name.name} is not known here: there are {', '.join(sorted(known))}"
            )
    for sample in samples:
        render(source, sample, html=html)


@lru_cache(maxsize=512)
def _compiled(source: str, html: bool) -> Template:
    tree = _parsed(source, html)
    for loop in tree.find_all(nodes.For):
        loop.body.insert(0, nodes.Output([nodes.Name(_STEP, "load", lineno=loop.lineno)], lineno=loop.lineno))
    environment = _environments[html]
    try:
        code = environment.compile(tree, filename=_FILE)
    except (RecursionError, SyntaxError) as error:
        raise TemplateFaultError(1, "it is nested too deeply: take brackets and blocks away") from error
    return Template.from_code(environment, code, {})


def _parsed(source: str, html: bool) -> nodes.Template:
    if len(source) > MAX_SOURCE:
        raise TemplateFaultError(1, f"it has {len(source)} characters, at most {MAX_SOURCE} are taken")
    environment = _environments[html]
    try:
        tree = environment.parse(source, filename=_FILE)
    except TemplateSyntaxError as error:
        raise TemplateFaultError(
            error.lineno, f"{error.message}: see docs/notify.md for what may be written"
        ) from error
    except RecursionError as error:
        raise TemplateFaultError(1, "it is nested too deeply: take brackets away") from error
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _NODES):
            word = type(node).__name__.lower()
            raise TemplateFaultError(node.lineno, f"{word} is not taken: names, filters, if and for are all there is")
        if isinstance(node, nodes.For) and node.recursive:
            raise TemplateFaultError(node.lineno, "a recursive loop is not taken: leave `recursive` out")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise TemplateFaultError(node.lineno, f"filter {node.name} is not taken: there are {', '.join(_FILTERS)}")
        if isinstance(node, nodes.Test) and node.name not in _TESTS:
            raise TemplateFaultError(node.lineno, f"test {node.name} is not taken: there are {', '.join(_TESTS)}")
    return tree


def _line_of(error: Exception) -> int:
    frames = traceback.extract_tb(cast("Any", error.__traceback__))
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == _FILE), 1)
