"""The gateway: what enterprises push comes in over HTTP, is checked, and is answered when Kafka has it."""

from services.gateway.app import create_app, serve

__all__ = ["create_app", "serve"]
