"""The application is Faust as the agents use it: it gives the assignment and the stream, and nothing else."""

import logging
from typing import NoReturn

import faust

from schemas.settings import Settings
from streams.agents.stopping import die
from streams.agents.transport import Transport


def faust_app(settings: Settings, role: str) -> faust.App:
    """Return the Faust application of a role, which gives assignment and stream and nothing else."""
    folder = settings.data / "faust" / role
    folder.mkdir(parents=True, exist_ok=True)
    app = faust.App(
        settings.group(role),
        broker=[f"kafka://{address}" for address in settings.kafka.split(",")],
        datadir=str(folder),
        store="memory://",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        topic_partitions=settings.partitions,
        topic_replication_factor=settings.replication,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=2 * settings.step_messages,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=min(1.0, settings.session_timeout_s / 4),
        broker_request_timeout=max(90.0, settings.session_timeout_s),
        broker_commit_interval=1.0,
        consumer_auto_offset_reset="earliest",
        worker_redirect_stdouts=False,
    )
    # Faust's attribute takes any transport, its type says only its own.
    app.transport = Transport(app.conf.broker_consumer, app)  # pyright: ignore[reportAttributeAccessIssue]
    return app


def run_to_end(app: faust.App) -> NoReturn:
    """Run the application until the process is told to stop; it ends the process.

    What makes Faust end by itself is Kafka, such as one that went away during the start: a new start waits for it.
    """
    worker = faust.Worker(app, loglevel="ERROR", redirect_stdouts=False, logging_config=None)
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code:
            die("Faust ended by itself, its log says why")
    raise SystemExit(0)


def quiet() -> None:
    """Keep the libraries' loggers to what an operator must read; debug records cost a fifth of the CPU."""
    for name in ("faust", "mode", "aiokafka", "kafka"):
        logging.getLogger(name).setLevel(logging.ERROR)
