"""Settings are what an installation chooses: environment variables `QINGYU_*`, each with a documented default."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.documents.fields import duration_ms
from schemas.topics import Topic

FOREVER = "forever"


class Settings(BaseSettings):
    """All settings of all processes; a process reads those it needs. Secrets never appear in a log or a repr."""

    model_config = SettingsConfigDict(env_prefix="QINGYU_", frozen=True, extra="ignore")

    kafka: str = Field(default="127.0.0.1:9092", description="Bootstrap address of Kafka, HOST:PORT[,HOST:PORT..].")
    topic_prefix: str = Field(default="qingyu.", description="Put before every topic's name and every group's.")
    partitions: int = Field(
        default=4, ge=1, le=4096, description="Partitions of the input topics; fixed once data are in."
    )
    replication: int = Field(default=1, ge=1, description="Replicas of each topic; production: 3.")
    min_insync_replicas: int = Field(default=1, ge=1, description="Replicas that must acknowledge; production: 2.")
    data: Path = Field(default=Path("var"), description="Folder of local state: the worker's copy, the embedded store.")
    store: str = Field(
        default="",
        description="Series store: `influx`, or an embedded file's path; empty: `series.sqlite` in the data folder.",
    )
    influx: str = Field(
        default="http://127.0.0.1:8086", description="Address of InfluxDB, where the store is `influx`."
    )
    influx_org: str = Field(default="qingyu", description="Organisation in InfluxDB.")
    influx_token: SecretStr | None = Field(default=None, description="Token that reads and writes the buckets.")
    influx_prefix: str = Field(default="", description="Put before the names of the buckets `raw`, `hour` and `day`.")
    raw_retention: str = Field(
        default="90d", description="How long bucket `raw` keeps readings, as `90d`, or `forever`."
    )
    secrets: Path = Field(
        default=Path("/run/secrets"),
        description="Folder of files that `secret:NAME` is looked up in, after the environment's QINGYU_SECRET_NAME.",
    )
    public: str = Field(
        default="",
        description="Address of the board as people reach it, for links in messages; empty: that of the api.",
    )
    smtp_host: str = Field(default="", description="Mail server that the notifier sends through; empty: none.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the mail server is spoken to: `starttls`, `tls` from the start, `none`."
    )
    smtp_user: str = Field(default="", description="User at the mail server; empty: no login.")
    smtp_password: str = Field(
        default="secret:smtp-password",
        pattern=r"^secret:[a-z0-9][a-z0-9-]{0,39}$",
        description="Name of the user's password, secret:NAME.",
    )
    smtp_from: str = Field(default="qingyu@localhost", description="Address that mails come from.")
    smtp_from_name: str = Field(default="晴雨 Qingyu", description="Name that mails come from.")
    notify_timeout_s: float = Field(
        default=10.0, gt=0, description="A webhook or mail server must have answered after this, in seconds."
    )
    notify_retry_s: float = Field(
        default=1.0, gt=0, description="Wait after the first failure of a delivery; it grows to 60 times this."
    )
    notify_give_up_s: float = Field(
        default=86_400.0, gt=0, description="The notifier gives a delivery up that still fails after this."
    )
    notify_backlog_s: float = Field(
        default=3600.0, ge=0, description="At its very first start the notifier says nothing of what was known before."
    )
    notify_fallback_s: float = Field(
        default=60.0, ge=0, description="A delivery that fails for this long goes to the recipient's next channel."
    )
    notify_private: str = Field(
        default="",
        description="Private hosts, addresses and networks that webhooks and SMS gateways may lead to, by commas.",
    )
    dingtalk_api: str = Field(default="https://oapi.dingtalk.com", description="Address of DingTalk's robots.")
    wecom_api: str = Field(default="https://qyapi.weixin.qq.com", description="Address of WeCom's robots.")
    feishu_api: str = Field(
        default="https://open.feishu.cn", description="Address of Feishu's robots; Lark: https://open.larksuite.com."
    )
    clock: str = Field(
        default="real",
        description="`real`; for demo and tests START@RATE@WALL_START (RFC 3339 instants), or `held:FILE` (epoch ms).",
    )
    operator_token: SecretStr | None = Field(default=None, description="The first operator token.")
    token: SecretStr | None = Field(default=None, description="The token that the command uses.")
    api: str = Field(default="http://127.0.0.1:8000", description="Address of the api, for the command.")
    gateway: str = Field(default="http://127.0.0.1:8001", description="Address of the gateway, for the command.")
    host: str = Field(default="127.0.0.1", description="Address that HTTP servers of a process listen on.")
    api_port: int = Field(default=8000, description="Port of the api.")
    gateway_port: int = Field(default=8001, description="Port of the gateway.")
    metrics_port: int = Field(
        default=9100, description="Port of /metrics and /readyz of a process without another one; 0: any."
    )
    instance: str = Field(default="", description="Name of this process in heartbeats; empty: its role.")
    step_s: float = Field(default=0.1, gt=0, description="A step gathers what arrives for this long, in seconds.")
    step_messages: int = Field(
        default=10_000, ge=1, description="A step takes at most so many messages of all partitions."
    )
    step_mib: float = Field(default=64.0, gt=0, description="A step takes no more messages once they hold so many MiB.")
    round_s: float = Field(
        default=1.0,
        gt=0,
        description="Territories are added up at most once in so long, in seconds, without a backlog.",
    )
    session_timeout_s: float = Field(
        default=6.0, gt=0, description="A worker that is silent for so long loses its partitions."
    )
    transaction_timeout_s: float = Field(
        default=30.0, gt=0, description="An open transaction is aborted by Kafka after this."
    )
    ack_timeout_s: float = Field(
        default=10.0, gt=0, description="The gateway answers 503 when Kafka is silent for so long."
    )
    gather_s: float = Field(default=0.03, ge=0, description="The gateway gathers an enterprise's batches for so long.")
    body_limit: int = Field(default=8 << 20, description="Largest request body in bytes, as sent.")
    decoded_limit: int = Field(default=32 << 20, description="Largest request body in bytes, after decompression.")
    pushes: int = Field(default=512, ge=1, description="The gateway answers 503 beyond so many pushes at once.")
    pushes_mib: float = Field(
        default=64.0, gt=0, description="The gateway answers 503 beyond so many MiB in pushes under way, inflated too."
    )
    connections: int = Field(
        default=4096, ge=1, description="Open connections of an HTTP server; beyond, the one waited for longest goes."
    )
    tick_s: float = Field(default=10.0, gt=0, description="Seconds of wall time between two ticks.")
    grafana: str = Field(
        default="http://127.0.0.1:3000", description="Address of the Grafana that `qingyu dashboards push` writes to."
    )
    grafana_token: SecretStr | None = Field(
        default=None, description="Token of a service account of that Grafana; data sources need the role Admin."
    )
    grafana_influx: str = Field(
        default="", description="Address of InfluxDB as Grafana reaches it; empty: QINGYU_INFLUX."
    )
    grafana_influx_token: SecretStr | None = Field(
        default=None, description="Token of InfluxDB for Grafana: one that may only read the buckets."
    )
    grafana_hook: str = Field(
        default="", description="Address that Grafana sends alerts to by POST; empty: no contact point is made."
    )
    grafana_hook_token: SecretStr | None = Field(default=None, description="Bearer token that goes with them.")
    failpoint: str = Field(
        default="", description="For tests of failure: NAME or NAME@N, the process kills itself there."
    )

    @field_validator("raw_retention")
    @classmethod
    def _is_retention(cls, text: str) -> str:
        if text != FOREVER and duration_ms(text) < 3_600_000:
            raise ValueError(f"{text!r} is less than the hour that InfluxDB keeps points at least")
        return text

    @property
    def raw_retention_ms(self) -> int | None:
        """How long bucket `raw` keeps readings [ms]; None: for ever."""
        return None if self.raw_retention == FOREVER else duration_ms(self.raw_retention)

    def topic(self, topic: Topic) -> str:
        """Return the full name of a topic."""
        return self.topic_prefix + topic.name

    def group(self, role: str) -> str:
        """Return the consumer group of a role (also the prefix of its transactional ids)."""
        return f"{self.topic_prefix}{role}"

    @property
    def store_path(self) -> Path:
        """Return the file of the embedded series store; where the store is InfluxDB, the file of its lists."""
        if self.store == "influx":
            return self.data / "lists.sqlite"
        return Path(self.store) if self.store else self.data / "series.sqlite"
