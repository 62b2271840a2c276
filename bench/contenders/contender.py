"""A contender is a program that takes in the bench's readings and must come to the expected results.

Each has a module of its own beside this one, which names it (`CONTENDER`) and, where it is Python, is its program: it
runs in a process of its own, reads topic `source`, writes what it finds to topic `results`, and commits to `group`.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTITIONS = 4

# An entity, the begin of an hour [epoch ms], and what holds of it: of a meter (1e-6 kWh), of an enterprise (1e-6 kWh,
# 1e-6 kgce, 1e-6 kgCO2, whether the hour is over the limit).
Results = dict[tuple[str, int], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Task:
    """What one run of a contender reads, and where it writes.

    There are so many `readings`, `batch` of them in a message; topics begin with `prefix`, which no other run has,
    and `data` is a folder of its own.
    """

    kafka: str
    prefix: str
    batch: int
    readings: int
    data: str

    @property
    def group(self) -> str:
        """The consumer group of a contender that may choose it."""
        return f"{self.prefix}group"

    @property
    def results(self) -> str:
        """The topic of what a contender finds."""
        return f"{self.prefix}results"

    @property
    def source(self) -> str:
        """The topic of the readings."""
        return f"{self.prefix}readings"

    def arguments(self) -> list[str]:
        """Return the task as a program's arguments."""
        return [self.kafka, self.source, str(self.batch), self.results, self.group, self.data]


@dataclass(frozen=True, slots=True)
class Arguments:
    """A task as a contender's program sees it, in the order of its arguments."""

    kafka: str
    source: str
    batch: int
    results: str
    group: str
    data: str

    @classmethod
    def given(cls) -> "Arguments":
        """Return those of this process."""
        kafka, source, batch, results, group, data = sys.argv[1:]
        return cls(kafka, source, int(batch), results, group, data)


def module_program(name: str) -> Callable[[Task], list[str]]:
    """Return the command of a contender that is a module of this environment."""
    return lambda task: [sys.executable, "-m", name, *task.arguments()]


def _nothing(_: Task) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Contender:
    """A contender: its name, the readings it is given by readings a message, and how it is started.

    `prepare` is called before each run. `read` tells its results where they do not stand on topic `results` in the
    bench's own form. `group` and `changelog` name the group it commits to and the topics that its state goes to (a
    topic is one of them when its name holds all of the words).
    """

    name: str
    about: str
    readings: Mapping[int, int]
    command: Callable[[Task], list[str]]
    group: Callable[[Task], str] = field(default=lambda task: task.group)
    environment: Callable[[Task], Mapping[str, str]] = field(default=lambda _: {})
    prepare: Callable[[Task], None] = _nothing
    read: Callable[[Task], Results] | None = None
    changelog: Callable[[Task], Iterable[str]] = field(default=lambda task: (task.group, "changelog"))
