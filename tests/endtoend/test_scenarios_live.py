"""Pages of the field through all processes of an installation, their clock held by the stories."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.local.kafka import ForeignKafka, LocalKafka
from services.command.main import app

PAGES = Path(__file__).parents[1] / "scenarios"


def test_pages_hold_live_and_a_digit_that_differs_is_found(
    kafka: LocalKafka | ForeignKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QINGYU_KAFKA", kafka.bootstrap)
    text = (PAGES / "alarm-withdrawn.yaml").read_text(encoding="utf-8").replace("base.yaml", str(PAGES / "base.yaml"))
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        text.replace("alarm-withdrawn", "wrong").replace("qty.electricity: 345}", "qty.electricity: 346}"),
        encoding="utf-8",
    )
    pages = [str(PAGES / f"{name}.yaml") for name in ("alarm-withdrawn", "conflict", "steam-two-meters")]
    found = CliRunner().invoke(app, ["scenario", "run", "--live", *pages, str(wrong)])
    assert found.exit_code == 1, found.output
    difference, summary = found.stdout.splitlines()
    assert difference.endswith("2026-03-02T09 qty.electricity: expected 346 kWh, found 345 kWh")
    assert summary.startswith("1 of 4 scenarios differ, in 1 of ")
