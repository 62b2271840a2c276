"""Members are the enterprises of each territory at present, as points of measurement `member` for dashboards."""

import re

from schemas.documents import City, County, DocumentKey, Industry, Park, Province
from schemas.ids import Entity
from schemas.series import MEMBER, Point
from streams.domain.registry import Snapshot

_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_TERRITORIES = (Park, County, City, Province, Industry)


def member_points(snapshot: Snapshot, now_ms: int) -> list[Point]:
    """Return a point for each enterprise in each territory at an instant [epoch ms]; all at time 0, in fixed order."""
    groups = sorted(str(key) for key, document in snapshot.documents.items() if isinstance(document, _TERRITORIES))
    return [
        Point(MEMBER, (group, str(Entity("enterprise", id_)), name_of(snapshot, id_)), 0, (1.0,))
        for group in groups
        for id_ in snapshot.members(group, now_ms)
    ]


def name_of(snapshot: Snapshot, enterprise: str) -> str:
    """Return an enterprise's Chinese name, else its English one, else its id; on one line and without backslashes.

    A name is a tag here, and no store takes every character in a tag.
    """
    document = snapshot.documents.get(DocumentKey("enterprise", enterprise))
    name = (document and (document.name.zh or document.name.en)) or ""
    return _UNFIT.sub(" ", name).replace("\\", "＼").strip() or enterprise
