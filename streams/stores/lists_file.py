"""The lists' file is the SQLite file from which a store answers its lists and read offsets, wherever its points are."""

from collections.abc import Collection, Mapping

from schemas.messages import AlarmEvent, Condition, Finding
from schemas.windows import WindowKind
from streams.stores import deliveries, lists
from streams.stores.deliveries import Delivered, DigestPage
from streams.stores.series import AlarmsPage, Earlier, Read, Receipt, RejectedPage, RevisionsPage, StoreError
from streams.stores.store_file import StoreFile


class ListsFile:
    """The reading half of Listing, on tables `lists.SCHEMA` of a file; a store adds the writing."""

    def __init__(self, file: StoreFile) -> None:
        self._file = file

    def offsets(self) -> Mapping[tuple[str, int], Read]:
        """Return what was read; see Listing."""
        try:
            with self._file.reading() as connection:
                return lists.offsets(connection)
        except StoreError as error:
            if error.code == "store_absent":
                return {}
            raise

    def changed(self, entities: Collection[str]) -> int:
        """Return a number that grows with each change of the entities; see Listing."""
        with self._file.reading() as connection:
            return lists.changed(connection, entities)

    def conditions(
        self,
        *,
        entities: Collection[str] | None = None,
        rule: str | None = None,
        condition: str | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> AlarmsPage:
        """Return alarms; see Listing."""
        with self._file.reading() as connection:
            return lists.conditions(
                connection, lists.AlarmFilter(entities, rule, condition, from_ms, to_ms), after, limit
            )

    def condition(self, id_: str) -> Condition | None:
        """Return one alarm; see Listing."""
        with self._file.reading() as connection:
            return lists.condition(connection, id_)

    def events(self, id_: str) -> list[AlarmEvent]:
        """Return an alarm's transitions; see Listing."""
        with self._file.reading() as connection:
            return lists.events(connection, id_)

    def deliveries(self, alarm: str) -> list[Delivered]:
        """Return what became of an alarm's events; see Listing."""
        with self._file.reading() as connection:
            return deliveries.of_alarm(connection, alarm)

    def digest(self, id_: str, *, after: str | None = None, limit: int = 100) -> DigestPage:
        """Return the events of a digest; see Listing."""
        with self._file.reading() as connection:
            return deliveries.of_digest(connection, id_, after, limit)

    def rejected(
        self,
        *,
        sources: Collection[str] | None = None,
        code: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RejectedPage:
        """Return rejected inputs; see Listing."""
        with self._file.reading() as connection:
            return lists.rejected(connection, sources, code, after, limit)

    def receipts(self, batch: str) -> list[Receipt]:
        """Return a batch's receipts; see Listing."""
        with self._file.reading() as connection:
            return lists.receipts(connection, batch)

    def findings(self, enterprise: str, *, open_only: bool = True, limit: int = 100) -> list[Finding]:
        """Return an enterprise's findings; see Listing."""
        with self._file.reading() as connection:
            return lists.findings(connection, enterprise, open_only, limit)

    def revisions(
        self,
        entity: str,
        *,
        metric: str | None = None,
        window: WindowKind | None = None,
        from_ms: int | None = None,
        to_ms: int | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> RevisionsPage:
        """Return an entity's revisions; see Listing."""
        with self._file.reading() as connection:
            return lists.revisions(
                connection, entity, lists.RevisionFilter(metric, window, from_ms, to_ms), after, limit
            )

    def earlier(
        self, entity: str, metric: str, window: WindowKind, from_ms: int, to_ms: int, as_of_ms: int
    ) -> dict[int, Earlier]:
        """Return what windows were at an instant; see Listing."""
        with self._file.reading() as connection:
            return lists.earlier(connection, entity, metric, window, from_ms, to_ms, as_of_ms)

    def close(self) -> None:
        """Close all connections; see SeriesStore."""
        self._file.close()
