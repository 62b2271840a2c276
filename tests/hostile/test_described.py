"""Whatever is asked of gateway and api, they answer as their OpenAPI says, and never with a 500."""

import pytest

from tests.hostile.described import attack
from tests.hostile.house import House


@pytest.mark.parametrize(("role", "examples"), [("gateway", 60), ("api", 24)])
def test_generated_requests_are_answered_as_described(house: House, role: str, examples: int) -> None:
    statuses, faults = attack(house, role, examples, 1)
    assert not faults, "\n\n".join(faults)
    assert not [status for status in statuses if status >= 500]
    # What is asked for is there now and then: not all of it was refused.
    assert any(status < 300 for status in statuses)
