"""The validation rules that are shipped: of each check one, in force where no document says otherwise."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from schemas.documents.envelope import API_VERSION
from schemas.documents.parse import parse_document
from schemas.documents.validation import CHECKS, CheckName, Validation
from schemas.reference.base import read
from schemas.windows import EARLIEST_MS, local_datetime


@cache
def shipped() -> Mapping[CheckName, Validation]:
    """Return the shipped rules by check; raise ValueError when the packaged file is not right."""
    rules: list[dict[str, Any]] = read("validation")["rules"]
    first = local_datetime(EARLIEST_MS).date().isoformat()
    found: dict[CheckName, Validation] = {}
    for rule in rules:
        document = parse_document({"apiVersion": API_VERSION, "kind": "validation", "valid_from": first, **rule})
        if not isinstance(document, Validation):
            raise ValueError(f"schemas/reference/validation.yaml: {rule.get('id')}: {document}")  # noqa: TRY004
        found[document.spec.check] = document
    if missing := set(CHECKS) - found.keys():
        raise ValueError(f"schemas/reference/validation.yaml: no rule for {', '.join(sorted(missing))}")
    return MappingProxyType(found)
