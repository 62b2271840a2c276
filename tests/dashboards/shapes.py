"""The shapes of provisioning files: what Grafana reads in them, and no name that it would pass over in silence."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Uid = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9]\d*[smhd]$")]
Organisation = Literal[1]
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
# Grafana evaluates on a beat of this length.
BEAT_S = 10


def seconds(duration: str) -> int:
    """Return a duration such as `10m` in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Range(Shape):
    from_: int = Field(alias="from", gt=0)
    to: int = Field(ge=0)

    @model_validator(mode="after")
    def _forward(self) -> "Range":
        if self.from_ <= self.to:
            raise ValueError("relativeTimeRange: from is not before to")
        return self


class Source(Shape):
    type: Literal["influxdb"]
    uid: Uid


class InfluxModel(Shape):
    refId: str  # noqa: N815
    datasource: Source
    query: str = Field(min_length=1)
    rawQuery: Literal[True]  # noqa: N815
    resultFormat: Literal["time_series"]  # noqa: N815


class Evaluator(Shape):
    type: Literal["gt", "lt"]
    params: list[float]


class ThresholdCondition(Shape):
    evaluator: Evaluator


class ThresholdModel(Shape):
    refId: str  # noqa: N815
    type: Literal["threshold"]
    expression: str
    conditions: list[ThresholdCondition] = Field(min_length=1, max_length=1)


class ReduceSettings(Shape):
    mode: Literal["dropNN"]


class ReduceModel(Shape):
    refId: str  # noqa: N815
    type: Literal["reduce"]
    expression: str
    reducer: Literal["last"]
    settings: ReduceSettings


class Asked(Shape):
    refId: str  # noqa: N815
    relativeTimeRange: Range  # noqa: N815
    datasourceUid: Uid  # noqa: N815
    model: InfluxModel


class Expressed(Shape):
    refId: str  # noqa: N815
    datasourceUid: Literal["__expr__"]  # noqa: N815
    model: ReduceModel | ThresholdModel


class RuleShape(Shape):
    uid: Uid
    title: str = Field(min_length=1, max_length=190)
    condition: str
    data: list[Asked | Expressed] = Field(min_length=1)
    for_: Duration = Field(alias="for")
    noDataState: Literal["OK", "NoData", "Alerting"]  # noqa: N815
    execErrState: Literal["OK", "Error", "Alerting"]  # noqa: N815
    labels: dict[str, str]
    annotations: dict[str, str]

    @model_validator(mode="after")
    def _references(self) -> "RuleShape":
        refs = [part.refId for part in self.data]
        if len(set(refs)) != len(refs):
            raise ValueError(f"rule {self.uid}: a refId is there twice")
        if self.condition not in refs:
            raise ValueError(f"rule {self.uid}: condition {self.condition!r} is none of its refIds")
        for part in self.data:
            if part.model.refId != part.refId:
                raise ValueError(f"rule {self.uid}: the model of {part.refId} has another refId")
            if isinstance(part, Expressed) and part.model.expression not in refs:
                raise ValueError(
                    f"rule {self.uid}: {part.refId} refers to {part.model.expression!r}, which is not there"
                )
        return self


class Group(Shape):
    orgId: Organisation  # noqa: N815
    name: str
    folder: str = Field(min_length=1)
    interval: Duration
    rules: list[RuleShape] = Field(min_length=1)

    @model_validator(mode="after")
    def _on_the_beat(self) -> "Group":
        for duration in (self.interval, *(rule.for_ for rule in self.rules)):
            if seconds(duration) % BEAT_S:
                raise ValueError(f"group {self.name}: {duration} is no multiple of {BEAT_S} s")
        titles = [rule.title for rule in self.rules]
        if len(set(titles)) != len(titles):
            raise ValueError(f"group {self.name}: two rules have one title")
        return self


class Deleted(Shape):
    orgId: Organisation  # noqa: N815
    uid: Uid


class Webhook(Shape):
    url: str
    httpMethod: Literal["POST"]  # noqa: N815
    authorization_scheme: Literal["Bearer"]
    authorization_credentials: str
    title: str
    message: str


class Receiver(Shape):
    uid: Uid
    type: Literal["webhook"]
    settings: Webhook


class ContactPoint(Shape):
    orgId: Organisation  # noqa: N815
    name: str
    receivers: list[Receiver] = Field(min_length=1)


class Template(Shape):
    orgId: Organisation  # noqa: N815
    name: str
    template: str


class Times(Shape):
    weekdays: list[Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]]


class MuteTime(Shape):
    orgId: Organisation  # noqa: N815
    name: str
    time_intervals: list[Times] = Field(min_length=1)


class Route(Shape):
    receiver: str
    object_matchers: list[Annotated[list[str], Field(min_length=3, max_length=3)]] = Field(min_length=1)
    group_by: list[str] = []
    group_wait: Duration | None = None
    group_interval: Duration | None = None
    repeat_interval: Duration | None = None
    mute_time_intervals: list[str] = []
    routes: list["Route"] = []


class Policy(Shape):
    orgId: Organisation  # noqa: N815
    receiver: str
    group_by: list[str]
    group_wait: Duration
    group_interval: Duration
    repeat_interval: Duration
    routes: list[Route]


class AlertingFile(Shape):
    apiVersion: Literal[1]  # noqa: N815
    groups: list[Group] = []
    deleteRules: list[Deleted] = []  # noqa: N815
    contactPoints: list[ContactPoint] = []  # noqa: N815
    templates: list[Template] = []
    muteTimes: list[MuteTime] = []  # noqa: N815
    policies: list[Policy] = []


class InfluxSettings(Shape):
    version: Literal["InfluxQL"]
    dbName: str  # noqa: N815
    httpMode: Literal["GET", "POST"]  # noqa: N815
    httpHeaderName1: Literal["Authorization"]  # noqa: N815


class Secrets(Shape):
    httpHeaderValue1: Annotated[str, StringConstraints(pattern=r"^Token \$\w+$")]  # noqa: N815


class DataSource(Shape):
    name: str
    uid: Uid
    type: Literal["influxdb"]
    access: Literal["proxy"]
    url: Annotated[str, StringConstraints(pattern=r"^\$\w+$")]
    isDefault: bool  # noqa: N815
    editable: Literal[False]
    jsonData: InfluxSettings  # noqa: N815
    secureJsonData: Secrets  # noqa: N815


class DataSourceFile(Shape):
    apiVersion: Literal[1]  # noqa: N815
    prune: Literal[True]
    datasources: list[DataSource]


class ProviderOptions(Shape):
    path: Annotated[str, StringConstraints(pattern="^/")]


class Provider(Shape):
    name: str
    orgId: Organisation  # noqa: N815
    folder: str
    folderUid: Uid  # noqa: N815
    type: Literal["file"]
    disableDeletion: bool  # noqa: N815
    allowUiUpdates: Literal[False]  # noqa: N815
    updateIntervalSeconds: int = Field(ge=1)  # noqa: N815
    options: ProviderOptions


class ProviderFile(Shape):
    apiVersion: Literal[1]  # noqa: N815
    providers: list[Provider]


def variables_in(text: str) -> list[str]:
    """Return the variables of the environment that Grafana puts into a text of a file; `$$` is a dollar."""
    return [found[1] or found[2] for found in re.finditer(r"\$(?:\{(\w+)\}|(\w+))", text.replace("$$", ""))]


def texts_of(value: Any) -> list[str]:
    """Return all texts in a value of JSON's kinds."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_of(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_of(part)]
    return [value] if isinstance(value, str) else []
