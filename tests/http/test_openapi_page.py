"""The page of what an application answers stands on its own: a closed network has no other host to ask."""

import asyncio
import re

import httpx
import pytest

from schemas.settings import Settings
from services.api.app import create_app as create_api
from services.gateway.app import create_app as create_gateway


@pytest.mark.parametrize(
    ("create", "paths"),
    [
        (create_api, ["/v1/series", "/v1/alarms/{id}", "/v1/registry"]),
        (create_gateway, ["/v1/readings", "/v1/reported"]),
    ],
)
def test_it_shows_every_path_with_examples_and_asks_no_other_host(create, paths: list[str]) -> None:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(create(Settings())), base_url="http://api"
        ) as client:
            return await client.get("/docs")

    page = asyncio.run(ask())

    assert page.status_code == 200
    assert not [path for path in paths if f"<code>{path}</code>" not in page.text]
    assert page.text.count("<pre>") >= len(paths)
    assert not re.search(r"<script|(?:src|href)=\"(?:https?:)?//", page.text)
