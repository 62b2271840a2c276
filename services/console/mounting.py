"""Mounting puts the board into the api's application, which has the registry, the store and the clock."""

from typing import Any

from fastapi import FastAPI

from services.console import alarming, correcting, pages
from services.console.feed import Source
from services.console.feeds import Feeds


def install(app: FastAPI) -> Feeds:
    """Add the board's pages to an application whose `state.api` is set, and return the feeds, to be closed with it."""
    api: Any = app.state.api
    feeds = Feeds(Source(api.store, lambda: api.follower.snapshot, api.clock))
    app.state.feeds = feeds
    # Before the pages: an address of theirs would take any kind.
    app.include_router(alarming.router)
    app.include_router(correcting.router)
    app.include_router(pages.router)
    return feeds
