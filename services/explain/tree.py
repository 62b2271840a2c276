"""A tree is an explanation as it is read: a number, what is said of it, and the numbers that it was made from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape
from rich.tree import Tree


@dataclass(slots=True)
class Node:
    """A number of an explanation: `value` as exact decimal text in `unit` (None: there is none), and notes."""

    label: str
    value: str | None = None
    unit: str = ""
    notes: list[str] = field(default_factory=list[str])
    children: list["Node"] = field(default_factory=list["Node"])
    is_number: bool = True

    def told(self) -> dict[str, Any]:
        """Return the node as JSON has it."""
        told: dict[str, Any] = {"label": self.label}
        if self.is_number:
            told |= {"value": self.value, "unit": self.unit}
        if self.notes:
            told["notes"] = self.notes
        if self.children:
            told["children"] = [each.told() for each in self.children]
        return told

    @property
    def line(self) -> str:
        """The number as a line of text."""
        if not self.is_number:
            return self.label
        return f"{self.label} = {'no value 无值' if self.value is None else f'{self.value} {self.unit}'.rstrip()}"

    def as_rich(self) -> Tree:
        """Return the node as the terminal shows it."""
        return _grown(Tree(self.markup), self)

    @property
    def markup(self) -> str:
        """The line and its notes, in the markup of rich."""
        notes = "".join(f"\n[dim]{escape(note)}[/dim]" for note in self.notes)
        return escape(self.line) + notes

    def walk(self) -> Iterator["Node"]:
        """Yield the node and all below it."""
        yield self
        for each in self.children:
            yield from each.walk()


def text(label: str, *notes: str) -> Node:
    """Return a line without a number."""
    return Node(label, notes=list(notes), is_number=False)


def _grown(tree: Tree, node: Node) -> Tree:
    for each in node.children:
        _grown(tree.add(each.markup), each)
    return tree
