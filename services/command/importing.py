"""An import sends the readings of a CSV file to the gateway, in batches, as its collector would; it may correct.

A correction gives a reason and a name, and each reading a revision above the one that is there. What is there already
with the same value is left as it is, so doing it twice changes nothing.
"""

import csv
import hashlib
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from schemas.instants import InstantError, instant_ms
from schemas.settings import Settings
from schemas.windows import HOUR_MS, local_datetime
from services.command.client import ApiError, Client
from services.command.output import FOUND, WRONG_USE, CommandError, JsonOption, complain, say, say_json

NEEDED = ("meter", "ts", "value")
KNOWN = (*NEEDED, "rev", "quality", "void", "unit")
ROWS_A_BATCH = 5000
FAULTS_SHOWN = 20
REPEATED_S, PAUSE_S = 120.0, 2.0


class Line(NamedTuple):
    """A row of the file: its line, the meter's id within its enterprise, its instant [epoch ms], and what is sent."""

    number: int
    meter: str
    at_ms: int
    sent: dict[str, Any]


def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with the columns meter, ts, value[, rev, quality, void, unit].")],
    source: Annotated[str, typer.Option(help="The source (collector) whose readings these are.")],
    correct: Annotated[bool, typer.Option("--correct", help="Replace what is there; needs --reason.")] = False,
    reason: Annotated[str, typer.Option(help="Why it is corrected; kept with every number that moves.")] = "",
    by: Annotated[str | None, typer.Option(help="Who corrects; without it, the holder of the token.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Send the readings of a file through the gateway's checks, all of them or, when a row cannot be read, none.

    Exit status 0 when all were accepted, 1 when some were rejected, 2 when the file cannot be read.
    """
    if correct != bool(reason.strip()):
        raise CommandError("--correct and --reason TEXT belong together: who corrects says why", status=WRONG_USE)
    text = _text(file)
    lines = list(read_lines(file, text))
    settings = Settings()
    unchanged = 0
    if correct:
        with Client(settings) as api:
            lines, unchanged = _raised(api, source, lines)
    name = f"{file.name[:100]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    correction = {"reason": reason.strip(), **({"by": by} if by else {})}
    accepted, waiting, rejected, notes = 0, 0, list[dict[str, Any]](), list[str]()
    held: list[str] = []
    with Client(settings, gateway=True) as gateway:
        for at in range(0, len(lines), ROWS_A_BATCH):
            part = lines[at : at + ROWS_A_BATCH]
            body: dict[str, Any] = {"source": source, "batch": f"{name}-{at}", "readings": [one.sent for one in part]}
            if correct:
                body["correction"] = correction
            answer = _send(gateway, body)
            accepted += answer["accepted"]
            if "correction" in answer:
                waiting += answer["waiting"]
                held.append(answer["correction"]["id"])
            rejected += [{**one, "line": part[one["index"]].number} for one in answer["rejected"]]
            if "older" in answer:
                notes.append(answer["older"]["message"])
    if as_json:
        told = {"accepted": accepted, "unchanged": unchanged, "rejected": rejected, "notes": notes}
        say_json({**told, **({"waiting": waiting, "corrections": held} if held else {})})
    else:
        for one in rejected[:FAULTS_SHOWN]:
            complain(f"{file}:{one['line']}: {one['code']}: {one['message']}")
        for note in notes:
            complain(f"remark: {note}")
        say(f"{accepted} accepted, {len(rejected)} rejected, {unchanged} were there already")
        if held:
            say(f"{waiting} wait for a second person: qingyu corrections confirm {' '.join(held)}")
    if rejected:
        raise typer.Exit(FOUND)


def _send(gateway: Client, body: dict[str, Any]) -> dict[str, Any]:
    """Return the receipt of a batch; one that comes too fast, or while Kafka is away, is sent again for a while."""
    end_s = time.monotonic() + REPEATED_S
    while True:
        try:
            return gateway.post("/v1/readings", body)
        except ApiError as error:
            if error.http_status not in (429, 503) or time.monotonic() > end_s:
                raise
        time.sleep(PAUSE_S)


def _text(file: Path) -> str:
    if file.suffix.lower() != ".csv":
        raise CommandError(f"{file}: only CSV files are read: give it the ending .csv", status=WRONG_USE)
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: it cannot be read as UTF-8 text: {error}", status=WRONG_USE) from error


def read_lines(file: Path, text: str) -> Iterator[Line]:
    """Yield the readings of a CSV text; raise CommandError, with every fault of it, when it is none."""
    try:
        yield from _read(file, csv.DictReader(text.splitlines()))
    except csv.Error as error:
        raise CommandError(f"{file}: this is no CSV: {error}; nothing was sent", status=WRONG_USE) from error


def _read(file: Path, reader: "csv.DictReader[str]") -> Iterator[Line]:
    columns = tuple(reader.fieldnames or ())
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in KNOWN]
    if missing or unknown:
        wrong = [f"column {name} is missing" for name in missing] + [
            f"column {name!r} is not known" for name in unknown
        ]
        raise CommandError(f"{file}:1: {'; '.join(wrong)}; there are {', '.join(KNOWN)}", status=WRONG_USE)
    faults: list[str] = []
    for row in reader:
        try:
            yield _line(reader.line_num, row)
        except (ValueError, InstantError) as error:
            faults.append(f"{file}:{reader.line_num}: {error}")
    if faults:
        more = [f"and {len(faults) - FAULTS_SHOWN} more"] if len(faults) > FAULTS_SHOWN else []
        raise CommandError(*faults[:FAULTS_SHOWN], *more, "nothing was sent", status=WRONG_USE)


def _line(number: int, row: dict[str, Any]) -> Line:
    if None in row or None in row.values():
        raise ValueError("it has not as many fields as the first line")
    given = {name: value.strip() for name, value in row.items() if value.strip()}
    void = {"": False, "0": False, "false": False, "1": True, "true": True}.get(given.pop("void", "").lower())
    if void is None:
        raise ValueError("void is true or false")
    if "meter" not in given or "ts" not in given or ("value" not in given and not void):
        raise ValueError("meter, ts and value are needed; value only where void is not true")
    sent: dict[str, Any] = given
    if void:
        sent.pop("value", None)
        sent["void"] = True
    if "rev" in given:
        if not given["rev"].isdecimal():
            raise ValueError("rev is a whole number from 0")
        sent["rev"] = int(given["rev"])
    if given["ts"].isdecimal():
        sent["ts"] = int(given["ts"])
    return Line(number, given["meter"], instant_ms(sent["ts"]), sent)


def _raised(api: Client, source: str, lines: Sequence[Line]) -> tuple[list[Line], int]:
    """Return what differs from what is there, each a revision above it, and how many do not differ."""
    enterprise = api.get(f"/v1/registry/source/{source}")["document"]["spec"]["enterprise"]
    found: list[Line] = []
    for meter in dict.fromkeys(line.meter for line in lines):
        mine = [line for line in lines if line.meter == meter]
        first, last = min(line.at_ms for line in mine), max(line.at_ms for line in mine)
        query: dict[str, Any] = {
            "entity": f"meter/{enterprise}.{meter}",
            "from": _instant(first),
            "to": _instant(last + HOUR_MS),
        }
        there = {instant_ms(one["ts"]): one for one in api.items("/v1/readings", **query)}
        for line in mine:
            now = there.get(line.at_ms)
            if now is not None and "rev" not in line.sent and _same(line.sent, now):
                continue
            found.append(line._replace(sent={"rev": 1 if now is None else now["rev"] + 1, **line.sent}))
    return sorted(found), len(lines) - len(found)


def _same(sent: dict[str, Any], there: dict[str, Any]) -> bool:
    if "void" in sent or there["void"]:
        return "void" in sent and there["void"]
    try:
        value = float(Decimal(sent["value"]))
    except InvalidOperation:
        return False
    return value == there["value"] and sent.get("quality", "ok") == there["quality"] and "unit" not in sent


def _instant(at_ms: int) -> str:
    return local_datetime(at_ms).isoformat(timespec="milliseconds")
