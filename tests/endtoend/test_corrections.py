"""A correction from a file on its way through all processes: what moves, who is named, and what was known before."""

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from deploy.local.kafka import ForeignKafka, LocalKafka
from deploy.local.processes import Processes
from schemas.settings import Settings
from services.command.main import app
from services.topics import apply_topics
from tests.folding import tick
from tests.registry_writing import STEEL, documents
from tests.running import Installation, send_to, until

TOKEN = "operator-token-of-corrections"
LATE = "late-gateway"
ROLES = ("api", "gateway", "worker", "territory", "sink")
INDUSTRY = """
{apiVersion: qingyu/v1, kind: industry, id: c31, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: bz-steel, valid_from: 2018-01-01,
 spec: {industry: [{from: 2018-01-01, id: c31}]}}
"""


@pytest.fixture
def installation(kafka: LocalKafka | ForeignKafka, prefix: str, tmp_path: Path) -> Iterator[Installation]:
    settings = Settings(kafka=kafka.bootstrap, topic_prefix=prefix, partitions=1, operator_token=SecretStr(TOKEN))
    apply_topics(settings)
    with Processes(tmp_path / "logs") as processes:
        found = Installation(settings, tmp_path, processes)
        begun = dt.datetime.now(dt.UTC).isoformat()
        for role in ROLES:
            found.start(role, QINGYU_CLOCK=f"2018-03-01T12:00:00+08:00@1@{begun}")
        # Who sends here arrives after the day has settled.
        found.start("gateway", LATE, QINGYU_CLOCK=f"2018-05-01T12:00:00+08:00@1@{begun}")
        found.wait_ready(*ROLES, LATE)
        yield found


def test_a_corrected_file_moves_every_window_above_and_as_of_tells_what_was_known(
    installation: Installation, tmp_path: Path
) -> None:
    api_url, in_time, late = (f"http://127.0.0.1:{installation.ports[name]}" for name in ("api", "gateway", LATE))

    def qingyu(gateway: str, *arguments: str) -> dict[str, Any]:
        environment = {"QINGYU_API": api_url, "QINGYU_GATEWAY": gateway, "QINGYU_TOKEN": TOKEN}
        done = CliRunner().invoke(app, [*arguments, "--json"], env=environment)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    with httpx.Client(base_url=api_url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as api:

        def get(path: str, **query: Any) -> Any:
            answer = api.get(path, params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        def day(entity: str, **query: Any) -> list[tuple[Any, Any]]:
            asked = {"entity": entity, "metric": "qty.electricity", "window": "day", "from": "2018-03-01", **query}
            points = get("/v1/series", **asked, to="2018-03-02")["points"]
            return [(point["value"], point["status"]) for point in points]

        raws = {(raw["kind"], raw["id"]): raw for raw in (*documents(STEEL), *documents(INDUSTRY))}
        assert api.post("/v1/registry", json={"base": 0, "documents": list(raws.values())}).status_code == 200
        send_to(installation.settings, 0, [tick("2018-03-01")])
        file = tmp_path / "readings.csv"
        file.write_text("meter,ts,value\ne01,2018-03-01T08:15:00+08:00,5\ne01,2018-03-01T08:30:00+08:00,6\n")
        assert qingyu(in_time, "import", str(file), "--source", "gw1")["accepted"] == 2
        send_to(installation.settings, 0, [tick("2018-03-02"), tick("2018-04-01"), tick("2018-05-01")])
        until(lambda: day("industry/c31") == [(11.0, "settled")], what="the settled day of the industry")

        file.write_text("meter,ts,value\ne01,2018-03-01T08:15:00+08:00,5\ne01,2018-03-01T08:30:00+08:00,9\n")
        correct = ("import", str(file), "--source", "gw1", "--correct", "--reason", "meter read wrongly")
        assert qingyu(late, *correct, "--by", "Li Lei")["accepted"] == 1
        until(lambda: day("industry/c31") == [(14.0, "revised")], what="the revised day of the industry")
        assert qingyu(late, *correct)["unchanged"] == 2

        asked = {"metric": "qty.electricity", "window": "month"}
        for entity in ("enterprise/bz-steel", "industry/c31"):
            told = until(lambda entity=entity: get("/v1/revisions", entity=entity, **asked)["items"])
            assert [(one["start"], one["before"], one["after"]) for one in told] == [("2018-03", "11", "14")]
            assert day(entity, as_of="2018-03-02") == [(None, "provisional")]
            assert day(entity, as_of="2018-05-01") == [(11.0, "settled")]
            assert day(entity, as_of="2018-05-02") == [(14.0, "revised")]
        (told,) = get("/v1/revisions", entity="enterprise/bz-steel", **asked)["items"]
        (because,) = told["cause"]["batches"]
        assert because["correction"] == {"reason": "meter read wrongly", "by": "Li Lei"}
        assert because["source"] == "gw1"
