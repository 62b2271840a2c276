"""Two questions to Kafka about transactions that aiokafka does not ask: KIP-664, in version 0 of each."""

# aiokafka declares its keys as properties and sets them in the class, as is done here.
# pyright: reportAssignmentType=false

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

_TAGS = ("tags", TaggedFields)
_TEXT = CompactString("utf-8")


class _ProducersAnswer(Response):
    API_KEY = 61
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("error_message", _TEXT),
                        (
                            "producers",
                            CompactArray(
                                ("producer_id", Int64),
                                ("producer_epoch", Int32),
                                ("last_sequence", Int32),
                                ("last_timestamp", Int64),
                                ("coordinator_epoch", Int32),
                                ("open_since", Int64),
                                _TAGS,
                            ),
                        ),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _ProducersQuestion(RequestStruct):
    API_KEY = 61
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _ProducersAnswer
    SCHEMA = Schema(("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)), _TAGS)


class DescribeProducers(Request[_ProducersQuestion]):
    """Which producers a broker knows in partitions `{topic: numbers}` that it leads, and what each has open there.

    Of the answer, by topic and partition: an error, and of each producer its id and the offset at which its open
    transaction begins, -1 when it has none.
    """

    API_KEY = 61

    def __init__(self, partitions: dict[str, list[int]]) -> None:
        self._partitions = partitions

    def build(self, request_struct_class: type[_ProducersQuestion]) -> _ProducersQuestion:
        """Return the request as it is sent."""
        return request_struct_class([(topic, numbers, {}) for topic, numbers in self._partitions.items()], {})


class _TransactionsAnswer(Response):
    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", _TEXT),
                ("state", _TEXT),
                ("timeout_ms", Int32),
                ("start_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", CompactArray(("name", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class _TransactionsQuestion(RequestStruct):
    API_KEY = 65
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TransactionsAnswer
    SCHEMA = Schema(("transactional_ids", CompactArray(_TEXT)), _TAGS)


class DescribeTransaction(Request[_TransactionsQuestion]):
    """What its coordinator knows of a transactional id: an error, or the last transaction's state, as Ongoing."""

    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    def build(self, request_struct_class: type[_TransactionsQuestion]) -> _TransactionsQuestion:
        """Return the request as it is sent."""
        return request_struct_class([self._transactional_id], {})
