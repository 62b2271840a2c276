"""The OpenAPI page shows people what an application answers, from its own description; it asks no other host."""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_METHODS = ("get", "post", "put", "patch", "delete")


def install(app: FastAPI) -> None:
    """Answer `/docs` with the page; the application was made with `docs_url=None`."""

    async def docs() -> HTMLResponse:
        return HTMLResponse(_page(app), headers=HEADERS)

    app.add_api_route("/docs", docs, methods=["GET"], include_in_schema=False)


def _page(app: FastAPI) -> str:
    described = app.openapi()
    info = {"title": app.title, "description": app.description or app.summary or ""}
    return _environment.get_template("openapi.html").render(info=info, operations=operations(described))


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Return every operation of an OpenAPI description: what it takes, and what it answers, with examples as text."""
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": one.get("summary", ""),
            "description": one.get("description", ""),
            "parameters": [
                {
                    "name": each["name"],
                    "in": each["in"],
                    "required": each.get("required", False),
                    "description": each.get("description", ""),
                }
                for each in one.get("parameters", [])
            ],
            "body": _example(described, one.get("requestBody", {})),
            "answers": [
                {"status": status, "description": each.get("description", ""), "example": _example(described, each)}
                for status, each in one.get("responses", {}).items()
            ],
        }
        for path, methods in described["paths"].items()
        for method, one in methods.items()
        if method in _METHODS
    ]


def _example(described: dict[str, Any], of: dict[str, Any]) -> str:
    for content in of.get("content", {}).values():
        schema = content.get("schema", {})
        name = schema.get("$ref", "").rpartition("/")[2]
        if name:
            schema = described["components"]["schemas"][name]
        several = [one.get("value") for one in content.get("examples", {}).values()] + schema.get("examples", [])
        example = content.get("example", several[0] if several else None)
        if example is not None:
            return example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
    return ""
