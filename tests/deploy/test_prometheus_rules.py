"""The alert rules for Prometheus ask for what processes tell, and promtool, where it is there, takes them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import services.api.figures
import services.console.feeds
import services.gateway.figures
import services.notifier.telling
import services.sink.telling
import services.ticker.ticker
import streams.agents.territory
import streams.agents.worker
import streams.stores.influx

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
MAKES = re.compile(r"^\w+ = (?:prometheus_client\.)?(?:Counter|Gauge|Histogram)\(", re.MULTILINE)
# What these modules tell is in the registry that /metrics shows.
TELLING = (
    services.api.figures,
    services.console.feeds,
    services.gateway.figures,
    services.notifier.telling,
    services.sink.telling,
    services.ticker.ticker,
    streams.agents.territory,
    streams.agents.worker,
    streams.stores.influx,
)
FROM_PROMETHEUS = {"instance", "job"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def labels() -> dict[str, set[str]]:
    """Return the labels of every metric that processes tell, by its name in expressions."""
    found: dict[str, set[str]] = {}
    collectors: Any = REGISTRY._collector_to_names  # pyright: ignore[reportAttributeAccessIssue]
    for collector, names in collectors.items():
        for name in names:
            found[name] = set(getattr(collector, "_labelnames", ()))
    return found


def test_every_module_that_tells_of_itself_is_known_here() -> None:
    telling = {path for path in ROOT.glob("s*/**/*.py") if MAKES.search(path.read_text(encoding="utf-8"))}
    assert telling == {Path(str(one.__file__)) for one in TELLING}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    known = labels()
    asked = re.findall(r"(qingyu_\w+)", rule["expr"])
    assert not [name for name in asked if name not in known]
    there = set().union(FROM_PROMETHEUS, *(known[name] for name in asked))
    named = re.findall(r"(\w+)\s*(?:=~|!~|!=|=(?!=))\s*\"", rule["expr"])
    named += [name for names in re.findall(r"(?:by|on) \(([^)]*)\)", rule["expr"]) for name in names.split(", ")]
    assert not set(named) - there
    summary = rule["annotations"]["summary"]
    assert not set(re.findall(r"\$labels\.(\w+)", summary)) - there


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not on PATH")
@pytest.mark.parametrize("command", [("check", "rules", "rules.yaml"), ("test", "rules", "rules.test.yaml")])
def test_promtool_takes_the_rules(command: tuple[str, ...]) -> None:
    done = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
