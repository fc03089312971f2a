"""Topics are created, described and listed; what is missing is said with what to do."""

import pytest

from connectors.kafka.connection import Connection, Unreachable
from connectors.kafka.topics import DAY, MissingTopic, admin, create, describe, held, listing, own_topics
from tests.connectors.kafka.conftest import grant, send, user
from tests.servers.fixtures import Secure
from tests.servers.process import wait_until

pytestmark = pytest.mark.servers


def test_a_topic_is_created_once_and_described(kafka: Connection, topic: str) -> None:
    assert create(kafka, topic, partitions=3) is True
    assert create(kafka, topic, partitions=3) is False
    facts = describe(kafka, topic)
    assert facts.partitions == 3
    assert len(facts.cluster_id) == 22
    assert describe(kafka, topic) == facts
    with pytest.raises(ValueError, match=r"is there already, with 3 partitions; 4 were asked for\. Ask for 3"):
        create(kafka, topic, partitions=4)


def test_a_topic_made_anew_has_another_id(kafka: Connection, made: str) -> None:
    before = describe(kafka, made)
    with admin(kafka) as client:
        client.delete_topics([made])

    def gone() -> bool:
        try:
            describe(kafka, made)
        except MissingTopic:
            return True
        return False

    wait_until(gone, seconds=10, what="deletion")
    assert create(kafka, made, partitions=4)
    after = describe(kafka, made)
    assert after.cluster_id == before.cluster_id
    assert after.topic_id != before.topic_id


def test_a_missing_topic_is_named_with_the_similar_one_and_the_command(kafka: Connection, made: str) -> None:
    wrong = made[:-1]
    with pytest.raises(MissingTopic) as missing:
        describe(kafka, wrong)
    assert str(missing.value) == (
        f"there is no topic '{wrong}'; did you mean '{made}'? To create it: watchkeeper topics create {wrong}"
    )
    with pytest.raises(MissingTopic, match=r"there is no topic 'qqqqq'\. To create it"):
        describe(kafka, "qqqqq")


@pytest.mark.parametrize(
    ("ending", "replication", "retention", "told"),
    [("/x y", None, None, "[Tt]opic name"), ("", 9, None, "[Rr]eplication"), ("", None, -7, "retention.ms")],
)
def test_what_the_broker_refuses_is_said_in_its_words(
    kafka: Connection, topic: str, ending: str, replication: int | None, retention: int | None, told: str
) -> None:
    with pytest.raises(ValueError, match=f"'{topic}{ending}' was not created: .*{told}"):
        create(kafka, topic + ending, partitions=1, replication=replication, retention=retention)


def test_a_topic_has_partitions(kafka: Connection, topic: str) -> None:
    with pytest.raises(ValueError, match="at least 1 partition; got 0"):
        create(kafka, topic, partitions=0)


def test_a_list_tells_partitions_policy_retention_and_records(kafka: Connection, topic: str) -> None:
    alerts, dead, plain = f"{topic}.alerts", f"{topic}.dead", f"{topic}.plain"
    for name, wanted in own_topics(alerts, dead).items():
        create(kafka, name, partitions=1, **wanted)
    create(kafka, plain, partitions=2, retention=DAY)
    send(kafka, plain, [(b"k%d" % number, b"v") for number in range(10)])
    rows = {row.name: row for row in listing(kafka) if row.name.startswith(topic)}
    assert [(r.cleanup, r.retention, r.partitions, r.replication, r.records) for r in rows.values()] == [
        ("compact", 7 * DAY, 1, 1, 0),
        ("compact,delete", 30 * DAY, 1, 1, 0),
        ("delete", DAY, 2, 1, 10),
    ]
    assert list(rows) == sorted([alerts, dead, plain])
    assert held(kafka, plain) == 10


def test_a_retention_without_end_is_none(kafka: Connection, topic: str) -> None:
    create(kafka, topic, partitions=1, retention=-1)
    (row,) = [row for row in listing(kafka) if row.name == topic]
    assert row.retention is None


def test_a_missing_permission_is_named(guarded: Secure, topic: str) -> None:
    owner = Connection(bootstrap=(guarded.listeners["PLAINTEXT"],))
    mine = user(guarded)
    create(owner, topic, partitions=1)
    with pytest.raises(Unreachable, match=rf"topic '{topic}': not allowed .*grant this user the ACL Describe on"):
        describe(mine, topic)
    with pytest.raises(Unreachable, match="grant this user the ACL Create on the topic"):
        create(mine, f"{topic}.new", partitions=1)
    assert [row for row in listing(mine) if row.name == topic] == []
    grant(owner, topic, "DESCRIBE")
    assert describe(mine, topic).partitions == 1
    (row,) = [row for row in listing(mine) if row.name == topic]
    assert (row.cleanup, row.retention, row.records) == ("", None, 0)
    grant(owner, topic, "DESCRIBE_CONFIGS")
    (row,) = [row for row in listing(mine) if row.name == topic]
    assert row.cleanup == "delete"
    grant(owner, f"{topic}.new", "CREATE", "DESCRIBE")
    assert create(mine, f"{topic}.new", partitions=1) is True


def test_an_address_where_nobody_is(topic: str) -> None:
    with pytest.raises(Unreachable, match=r"kafka\.bootstrap: nothing answers at 127\.0\.0\.1:1"):
        describe(Connection(bootstrap=("127.0.0.1:1",)), topic)
