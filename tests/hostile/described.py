"""What gateway and api describe of themselves (OpenAPI), held against what they answer to generated requests."""

from collections import Counter
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.answers import ALARM
from tests.hostile.house import House

ALL_HEALTH: Any = tuple(HealthCheck)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
# What is there, so that not every answer is that nothing is.
KNOWN = {"kind": "enterprise", "entity": "enterprise/bz-steel", "metric": "qty.electricity"}
IDS = {"/v1/alarms": ALARM["id"], "/v1/registry": "bz-steel", "/v1/batches": "b-17", "/v1/digests": "d1"}


def attack(house: House, role: str, examples: int, number: int) -> tuple[Counter[int], list[str]]:
    """Send so many generated requests to each path, fitting and not; return the answers by status, and what is wrong.

    Half of them name what is there. 503 is no fault of a server that says so in its description.
    """
    client: httpx.Client = getattr(house, role)
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    schema.config.update(base_url=str(client.base_url))
    headers = {"Authorization": client.headers["Authorization"]}
    statuses: Counter[int] = Counter()
    faults: list[str] = []
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  a description that is invalid ends it here
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for known in (dict[str, Any](), _known(operation)):
                fault = _attacked(operation.as_strategy(mode, **known), headers, examples // 4, number, statuses)
                if fault is not None:
                    faults.append(f"{operation.method.upper()} {operation.path}: {fault}")
    return statuses, faults


def _attacked(cases: Any, headers: dict[str, str], examples: int, number: int, statuses: Counter[int]) -> str | None:
    @seed(number)
    @settings(
        max_examples=examples, deadline=None, database=None, phases=[Phase.generate], verbosity=Verbosity.quiet,
        suppress_health_check=ALL_HEALTH, print_blob=False,
    )  # fmt: skip
    @given(cases)
    def ask(case: Any) -> None:
        answer = case.call(headers=headers)
        statuses[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        # Where nothing can be said, nothing can be said wrongly.
        return None
    except FailureGroup as group:
        return "; ".join(str(each) for each in group.exceptions)
    return None


def _known(operation: Any) -> dict[str, Any]:
    """Return values of things that are there, for the parameters that name them."""
    path = {name: KNOWN.get(name, "") for name in ("kind",) if f"{{{name}}}" in operation.path}
    if "{id" in operation.path:
        path["id"] = next((one for start, one in IDS.items() if operation.path.startswith(start)), "x")
    names = {each.name for each in operation.query}
    query = {name: value for name, value in KNOWN.items() if name in names}
    return {key: value for key, value in (("path_parameters", path), ("query", query)) if value}
