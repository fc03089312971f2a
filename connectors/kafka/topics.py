"""Topics: what they are, whether they are there, and creating them."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypedDict
from warnings import catch_warnings, simplefilter

from connectors.kafka.connection import Connection, Unreachable, kafka_python_settings, quiet
from connectors.kafka.preflight import check

with catch_warnings():
    # kafka-python reads its protocol by a function that Python deprecated in 3.11 and took back in 3.13
    simplefilter("ignore", DeprecationWarning)
    from kafka import TopicPartition
    from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, OffsetSpec
    from kafka.errors import KafkaError

DAY = 86_400_000
"""ms"""

_UNKNOWN, _UNAUTHORISED, _EXISTS = 3, 29, 36
"""error codes of the protocol"""

_CLEANUP, _RETENTION = "cleanup.policy", "retention.ms"


class MissingTopic(ValueError):
    """There is no such topic; the message says what to do."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """What a snapshot remembers of a topic: a topic that was created again has another id. `partitions`: how many."""

    cluster_id: str
    topic_id: str
    partitions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicRow:
    """A topic as a list shows it.

    cleanup:   delete, compact, or both with a comma; empty = it may not be asked (ACL DescribeConfigs)
    retention: ms; None = for ever, or it may not be asked
    records:   offsets from beginning to end; a compacted topic holds fewer. None = no leader, or it may not be asked
    """

    name: str
    partitions: int
    replication: int
    cleanup: str
    retention: int | None
    records: int | None


class Settings(TypedDict):
    """Of a topic to create: retention in ms, None = the broker's default; compact = the last value of a key stays."""

    retention: int | None
    compact: bool


def own_topics(alerts: str, dead: str) -> dict[str, Settings]:
    """What our own topics want. A dead letter goes when its record was replayed, or after 30 days."""
    return {alerts: Settings(retention=None, compact=True), dead: Settings(retention=30 * DAY, compact=True)}


@contextmanager
def admin(connection: Connection) -> Iterator[KafkaAdminClient]:
    """A client of a cluster that lets us in; every failure is one line. Raises Unreachable."""
    check(connection)
    settings = kafka_python_settings(connection)
    with quiet():
        try:
            client = KafkaAdminClient(**settings, bootstrap_timeout_ms=5000, request_timeout_ms=10_000)
        except KafkaError as error:
            raise Unreachable(f"kafka.bootstrap: {error}") from error
        try:
            yield client
        except KafkaError as error:
            raise Unreachable(f"kafka: the broker refused: {error}") from error
        finally:
            client.close()


def describe(connection: Connection, topic: str) -> TopicFacts:
    """Raises MissingTopic, which proposes a similar name; Unreachable, also where an ACL is missing."""
    with admin(connection) as client:
        return _facts(client, topic)


def _facts(client: KafkaAdminClient, topic: str) -> TopicFacts:
    (found,) = client.describe_topics([topic])
    match found["error_code"]:
        case 0:
            cluster = client.describe_cluster()["cluster_id"]
            return TopicFacts(str(cluster), str(found["topic_id"]), len(found["partitions"]))
        case code if code == _UNKNOWN:
            raise MissingTopic(missing(topic, client.list_topics()))
        case code if code == _UNAUTHORISED:
            raise Unreachable(not_allowed(topic, "Describe"))
        case code:
            raise Unreachable(f"topic '{topic}': the broker refuses to describe it (error code {code})")


def missing(topic: str, names: Collection[str] = ()) -> str:
    """What to say where there is no such topic, but there are `names`."""
    similar = get_close_matches(topic, names, n=1)
    meant = f"; did you mean '{similar[0]}'?" if similar else "."
    return f"there is no topic '{topic}'{meant} To create it: watchkeeper topics create {topic}"


def not_allowed(topic: str, *operations: str) -> str:
    """What to say where an access control entry is missing."""
    wanted = " and ".join(operations)
    return f"topic '{topic}': not allowed (kafka.sasl.username); grant this user the ACL {wanted} on the topic"


def create(
    connection: Connection,
    name: str,
    *,
    partitions: int,
    replication: int | None = None,
    retention: int | None = None,
    compact: bool = False,
) -> bool:
    """Create a topic and wait until it can be used; False if it was there already, with as many partitions.

    replication: copies of every partition; None = the broker's default
    retention:   ms, -1 = for ever; None = the broker's default

    Raises ValueError if it is there with another number of partitions or the broker refuses, Unreachable.
    """
    if partitions < 1:
        raise ValueError(f"a topic has at least 1 partition; got {partitions}")
    wanted = {
        "num_partitions": partitions,
        "replication_factor": -1 if replication is None else replication,
        "configs": _configs(retention, compact=compact),
    }
    with admin(connection) as client:
        (answer,) = client.create_topics({name: wanted}, raise_errors=False)["topics"]
        if answer["error_code"] == _EXISTS:
            _agree(name, came=partitions, there=_facts(client, name).partitions)
            return False
        _refuse(name, answer)
        client.wait_for_topics([name])
    return True


def _configs(retention: int | None, *, compact: bool) -> dict[str, str]:
    policies = {(True, True): "compact", (True, False): "compact,delete", (False, True): "", (False, False): "delete"}
    policy = policies[compact, retention is None]
    return ({_CLEANUP: policy} if policy else {}) | ({} if retention is None else {_RETENTION: str(retention)})


def _agree(name: str, *, came: int, there: int) -> None:
    if came != there:
        raise ValueError(
            f"topic '{name}' is there already, with {there} partitions; {came} were asked for. "
            f"Ask for {there}, or choose another name"
        )


def _refuse(name: str, answer: dict[str, Any]) -> None:
    if answer["error_code"] == _UNAUTHORISED:
        raise Unreachable(not_allowed(name, "Create"))
    if answer["error_code"]:
        reason = answer.get("error_message") or f"error code {answer['error_code']}"
        raise ValueError(f"topic '{name}' was not created: {reason}")


def listing(connection: Connection) -> list[TopicRow]:
    """All topics that this user may see, by name, without Kafka's internal ones. Raises Unreachable."""
    with admin(connection) as client:
        found = [t for t in client.describe_topics() if not t["is_internal"] and not t["error_code"]]
        configs = _asked(client, [topic["name"] for topic in found])
        rows = [_row(client, topic, configs.get(topic["name"], {})) for topic in found]
    return sorted(rows, key=lambda row: row.name)


def held(connection: Connection, topic: str) -> int:
    """Offsets from the beginning of a topic to its end. Raises MissingTopic, Unreachable."""
    with admin(connection) as client:
        found = _records(client, topic, _facts(client, topic).partitions)
    if found is None:
        raise Unreachable(f"topic '{topic}': its offsets cannot be asked for; a partition has no leader")
    return found


def _asked(client: KafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name, {_CLEANUP: "", _RETENTION: ""}) for name in names]
    found: dict[str, dict[str, Any]] = client.describe_configs(wanted, config_filter="all").get("topic", {})
    return found


def _row(client: KafkaAdminClient, topic: dict[str, Any], config: dict[str, Any]) -> TopicRow:
    retention = int(config[_RETENTION]["value"]) if _RETENTION in config else -1
    partitions = topic["partitions"]
    return TopicRow(
        name=topic["name"],
        partitions=len(partitions),
        replication=min((len(each["replica_nodes"]) for each in partitions), default=0),
        cleanup=config[_CLEANUP]["value"] if _CLEANUP in config else "",
        retention=None if retention < 0 else retention,
        records=_records(client, topic["name"], len(partitions)),
    )


def _records(client: KafkaAdminClient, name: str, partitions: int) -> int | None:
    places = [TopicPartition(name, number) for number in range(partitions)]
    try:
        first, last = (
            client.list_partition_offsets(dict.fromkeys(places, which), timeout_ms=2000)
            for which in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
        )
    except KafkaError:
        return None
    return sum(int(last[place].offset - first[place].offset) for place in places)
