"""The ticker: tells every partition of the readings what time it is."""

from services.ticker.ticker import Ticker, serve

__all__ = ["Ticker", "serve"]
