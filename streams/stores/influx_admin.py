"""Administration is what is done to an InfluxDB besides writing and reading: its set-up, its buckets, its tokens.

All of it goes through influxdb-client, which knows the forms; nothing else of the program imports it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import urllib3.exceptions
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.domain.authorization import Authorization
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.onboarding_request import OnboardingRequest
from influxdb_client.domain.permission import Permission
from influxdb_client.domain.permission_resource import PermissionResource
from influxdb_client.rest import ApiException
from influxdb_client.service.setup_service import SetupService

from schemas.series import BUCKETS
from schemas.settings import Settings
from streams.stores.series import StoreError

ANSWER_MS = 30_000
DAY_S = 86_400
# A shard is what InfluxDB opens, caches and drops as a whole: the sparser the points the longer.
SHARD_S = {"raw": 7 * DAY_S, "hour": 30 * DAY_S, "day": 365 * DAY_S}
_PAGE = 100


class Bucket(NamedTuple):
    """A bucket as the server has it: its id, and how long it keeps points [ms] (None: for ever)."""

    id: str
    retention_ms: int | None


class InfluxAdmin:
    """Changes the InfluxDB of the settings with the settings' token."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._wanted = {settings.influx_prefix + name: name for name in BUCKETS}

    def set_up(self, user: str, password: str) -> bool:
        """Give a new server its organisation, first user and the settings' token; False when it has them already."""
        token = self._settings.influx_token
        if token is None:
            raise StoreError("store_denied", "set QINGYU_INFLUX_TOKEN: the set-up gives the server this token")
        with self._client() as client:
            service = SetupService(client.api_client)
            if not service.get_setup().allowed:
                return False
            first = OnboardingRequest(
                username=user,
                password=password,
                org=self._settings.influx_org,
                bucket="setup",
                token=token.get_secret_value(),
            )
            service.post_setup(first)
            return True

    def buckets(self) -> dict[str, Bucket]:
        """Return those of our buckets that are there, by name."""
        with self._client() as client:
            return {name: found for name, found in self._found(client).items() if name in self._wanted}

    def complete(self) -> dict[str, Bucket]:
        """Make the buckets that are missing, give `raw` the settings' retention, and return them all by name."""
        with self._client() as client:
            found = self._found(client)
            missing = self._wanted.keys() - found.keys()
            org = self._org_id(client) if missing else ""
            for name, kind in self._wanted.items():
                if name in missing:
                    found[name] = self._make(client, org, name, kind)
                elif kind == "raw" and found[name].retention_ms != self._settings.raw_retention_ms:
                    found[name] = self._retain(client, name, found[name])
            return {name: found[name] for name in self._wanted}

    def make_anew(self) -> dict[str, Bucket]:
        """Delete our buckets with all that is in them, make them again empty, and return them by name."""
        with self._client() as client:
            for name, bucket in self._found(client).items():
                if name in self._wanted:
                    client.buckets_api().delete_bucket(bucket.id)
            org = self._org_id(client)
            return {name: self._make(client, org, name, kind) for name, kind in self._wanted.items()}

    def token(self, description: str, *, write: bool) -> str:
        """Make a token for the buckets of the organisation, to read or to read, write and make anew, and return it.

        It is for all of them and not for one by one: a bucket that is made anew is another bucket to InfluxDB.
        """
        with self._client() as client:
            org = self._org_id(client)
            buckets = PermissionResource(type="buckets", org_id=org)
            permissions = [
                Permission(action="read", resource=buckets),
                Permission(action="read", resource=PermissionResource(type="orgs", id=org)),
            ]
            if write:
                permissions.append(Permission(action="write", resource=buckets))
            wanted = Authorization(org_id=org, permissions=permissions, description=description)
            made: Any = client.authorizations_api().create_authorization(authorization=wanted)
            return made.token

    @contextmanager
    def _client(self) -> Iterator[InfluxDBClient]:
        settings = self._settings
        token = settings.influx_token.get_secret_value() if settings.influx_token else ""
        try:
            with InfluxDBClient(settings.influx, token, org=settings.influx_org, timeout=ANSWER_MS) as client:
                yield client
        except ApiException as error:
            code = "store_denied" if error.status in (401, 403) else "store_failed"
            raise StoreError(
                code, f"InfluxDB at {settings.influx}: {error.status} {_words(error)}; see QINGYU_INFLUX_TOKEN"
            ) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreError("store_away", f"InfluxDB at {settings.influx}: {error}; see whether it runs") from error

    def _found(self, client: InfluxDBClient) -> dict[str, Bucket]:
        found: dict[str, Bucket] = {}
        offset = 0
        while True:
            page = client.buckets_api().find_buckets(org=self._settings.influx_org, limit=_PAGE, offset=offset).buckets
            for bucket in page:
                seconds = bucket.retention_rules[0].every_seconds if bucket.retention_rules else 0
                found[bucket.name] = Bucket(bucket.id, seconds * 1000 or None)
            if len(page) < _PAGE:
                return found
            offset += _PAGE

    def _make(self, client: InfluxDBClient, org: str, name: str, kind: str) -> Bucket:
        kept_ms = self._settings.raw_retention_ms if kind == "raw" else None
        made: Any = client.buckets_api().create_bucket(
            bucket_name=name,
            org=org,
            description=f"Qingyu: {', '.join(BUCKETS[kind])}",
            retention_rules=_rules(kept_ms, SHARD_S[kind]),
        )
        return Bucket(made.id, kept_ms)

    def _retain(self, client: InfluxDBClient, name: str, bucket: Bucket) -> Bucket:
        kept_ms = self._settings.raw_retention_ms
        changed: Any = client.buckets_api().find_bucket_by_id(bucket.id)
        changed.retention_rules = [_rules(kept_ms, SHARD_S["raw"])]
        client.buckets_api().update_bucket(changed)
        return Bucket(bucket.id, kept_ms)

    def _org_id(self, client: InfluxDBClient) -> str:
        name = self._settings.influx_org
        found = client.organizations_api().find_organizations(org=name)
        if not found:
            raise StoreError("store_absent", f"InfluxDB has no organisation {name!r} for this token: QINGYU_INFLUX_ORG")
        return found[0].id


def _rules(kept_ms: int | None, shard_s: int) -> BucketRetentionRules:
    # A shard is dropped as a whole, so it must be shorter than what it is kept for.
    seconds = (kept_ms or 0) // 1000
    return BucketRetentionRules(
        type="expire", every_seconds=seconds, shard_group_duration_seconds=min(shard_s, seconds or shard_s)
    )


def _words(error: ApiException) -> str:
    body: Any = error.body or error.reason
    return str(body)[:500]
