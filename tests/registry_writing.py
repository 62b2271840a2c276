"""Sets of documents: from texts, as a snapshot, and written to the registry topic as the api does.

A set is written in one transaction, ended by the commit marker.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from aiokafka import AIOKafkaProducer

from schemas.documents import Document, parse_document
from schemas.messages import COMMIT_KEY, VERSION, RegistryCommit, RegistryRecord, encode
from schemas.settings import Settings
from schemas.topics import REGISTRY, REGISTRY_LOG
from streams.domain.registry import Snapshot

Raw = Mapping[str, Any]

STEEL = """
{apiVersion: qingyu/v1, kind: carrier, id: electricity, valid_from: 2018-01-01, spec: {unit: kWh, medium: electricity}}
---
{apiVersion: qingyu/v1, kind: product, id: crude-steel, valid_from: 2018-01-01, spec: {unit: t}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: bz-steel, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: enterprise, id: other, valid_from: 2018-01-01, spec: {}}
---
{apiVersion: qingyu/v1, kind: source, id: gw1, valid_from: 2018-01-01,
 spec: {enterprise: bz-steel, rate_limit_per_s: 100000}}
---
{apiVersion: qingyu/v1, kind: source, id: gw2, valid_from: 2018-01-01,
 spec: {enterprise: bz-steel, rate_limit_per_s: 10}}
---
{apiVersion: qingyu/v1, kind: source, id: other1, valid_from: 2018-01-01, spec: {enterprise: other}}
---
{apiVersion: qingyu/v1, kind: meter, id: bz-steel.e01, valid_from: 2018-01-01,
 spec: {carrier: electricity, type: interval, unit: kWh, resolution: "0.01", step: 15min, role: input,
        source: [{from: 2018-01-01, id: gw1}]}}
---
{apiVersion: qingyu/v1, kind: meter, id: bz-steel.r01, valid_from: 2018-01-01,
 spec: {carrier: electricity, type: register, unit: kWh, resolution: "1", role: sub, parent: e01,
        source: [{from: 2018-01-01, id: gw1}]}}
---
{apiVersion: qingyu/v1, kind: meter, id: bz-steel.e02, valid_from: 2018-01-01,
 spec: {carrier: electricity, type: interval, unit: kWh, resolution: "0.5", step: 15min, role: sub, parent: e01,
        source: [{from: 2018-01-01, id: gw2}, {from: 2020-01-01, id: gw1}]}}
---
{apiVersion: qingyu/v1, kind: meter, id: other.e01, valid_from: 2018-01-01,
 spec: {carrier: electricity, type: interval, unit: kWh, resolution: "0.01", step: 15min, role: input,
        source: [{from: 2018-01-01, id: other1}]}}
"""


def documents(text: str) -> list[Raw]:
    """Return the documents of a YAML text as the api would store them: days as text."""
    return [_plain(raw) for raw in yaml.safe_load_all(text)]


def snapshot_of(raws: Iterable[object], version: int = 1) -> Snapshot:
    """Return the registry of raw documents, none of which may be faulty."""
    found: list[Document] = []
    for raw in raws:
        document = parse_document(raw)
        assert not isinstance(document, list), document
        found.append(document)
    return Snapshot.build(version, found)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


async def write_set(settings: Settings, version: int, raws: Iterable[Raw], *, commit: bool = True) -> None:
    """Write one set; without `commit` the transaction is aborted after its records were sent."""
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka, transactional_id=f"{settings.topic_prefix}registry", acks="all"
    )
    every = list(raws)
    async with asyncio.timeout(200):
        await producer.start()
        try:
            await producer.begin_transaction()
            for topic in (REGISTRY, REGISTRY_LOG):
                for raw in every:
                    record = encode(RegistryRecord(VERSION, version, dict(raw), 0, "test"))
                    await producer.send(settings.topic(topic), record, f"{raw['kind']}/{raw['id']}".encode())
                marker = encode(RegistryCommit(VERSION, version, len(every)))
                await producer.send_and_wait(settings.topic(topic), marker, COMMIT_KEY)
            if commit:
                await producer.commit_transaction()
            else:
                await producer.abort_transaction()
        finally:
            await producer.stop()
