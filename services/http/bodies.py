"""A body is what a request brings: it is read up to a limit of bytes and of time, whoever in the application reads it.

Frameworks read whole bodies before anybody has asked who is calling.
"""

import asyncio
from collections.abc import Mapping

from fastapi import HTTPException
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.http.problem import Problem

# What people and programs send about single things; paths that take more say so.
USUAL_BYTES = 1 << 20
LIMIT_S = 60.0
# Of a body that nobody reads to its end, the rest is no next request.
CLOSE = {"Connection": "close"}


class Bodies:
    """Limits the bodies of an application; `limits` are bytes by path, None where the path limits them itself."""

    def __init__(self, app: ASGIApp, limits: Mapping[str, int | None] | None = None) -> None:
        self._app = app
        self._limits = dict(limits or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer 413 or 408 where its body goes beyond a limit."""
        limit = self._limits.get(scope.get("path", ""), USUAL_BYTES)
        if scope["type"] != "http" or limit is None:
            await self._app(scope, receive, send)
            return
        detail = f"at most {limit} bytes are taken here: send less at once"
        length = Headers(scope=scope).get("content-length", "")
        if length.isdecimal() and int(length[:20]) > limit:
            await Problem(413, "too_large", detail, CLOSE, limit=limit).response()(scope, receive, send)
            return
        ends_s = asyncio.get_running_loop().time() + LIMIT_S
        size, whole = 0, False

        async def limited() -> Message:
            nonlocal size, whole
            if whole:
                # Now it waits for the caller to go, which may take as long as an answer does.
                return await receive()
            try:
                async with asyncio.timeout_at(ends_s):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, f"the body was not whole within {LIMIT_S:.0f} s", CLOSE) from error
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > limit:
                raise HTTPException(413, detail, CLOSE)
            return message

        await self._app(scope, limited, send)
