"""The JSON Schemas in docs/schemas are those of the code, and what they say is what the code takes."""

import json
from pathlib import Path

import pytest

from schemas.generate import main, schemas, stale


def test_the_schemas_in_docs_are_up_to_date() -> None:
    assert stale() == [], "run python -m schemas.generate"


def test_what_is_stale_is_named_and_then_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], tmp_path) == 0
    (tmp_path / "document.meter.json").write_text("{}")
    (tmp_path / "document.gone.json").write_text("{}")
    (tmp_path / "message.totals.json").unlink()
    capsys.readouterr()

    assert main(["--check"], tmp_path) == 1
    named = [line.split(":")[1].rpartition("/")[2] for line in capsys.readouterr().out.splitlines()]
    assert named == ["document.gone.json", "document.meter.json", "message.totals.json"]

    main([], tmp_path)
    assert main(["--check"], tmp_path) == 0


@pytest.mark.parametrize("name", sorted(schemas()))
def test_every_reference_stands_in_its_own_file(name: str) -> None:
    body = json.loads(schemas()[name])
    defined = {f"#/$defs/{key}" for key in body.get("$defs", {})}

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(one) for one in value.values()))
        return set().union(*(references(one) for one in value)) if isinstance(value, list) else set()

    assert references(body) <= defined
    assert body["type"] == "object"


def test_a_field_that_must_be_there_is_marked_so() -> None:
    meter = json.loads(schemas()["document.meter.json"])
    readings = json.loads(schemas()["message.readings.json"])

    assert {"apiVersion", "kind", "id", "valid_from", "spec"} <= set(meter["required"])
    assert meter["additionalProperties"] is False
    assert set(readings["required"]) == {"v", "registry"}
