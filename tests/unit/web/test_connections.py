"""Which connections are held: bounded, and the longest unused make room."""

import pytest

from kits.web.server.connections import ConnectionLimits, OpenConnections, counted_address
from kits.web.server.wire import TOO_MANY_CONNECTIONS, TOO_MANY_FROM_ADDRESS


class Client:
    """A connection that notes its end."""

    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.closed = False

    def give_up(self) -> None:
        self.closed = True


def held(limits: ConnectionLimits, *clients: Client) -> OpenConnections:
    connections = OpenConnections(limits)
    for client in clients:
        assert connections.admit(client, 0.0) is None
    return connections


def test_the_longest_unused_makes_room_for_a_new_one() -> None:
    first, second, third = Client(), Client(), Client()
    connections = held(ConnectionLimits(connections=3), first, second, third)
    connections.working(first)
    connections.awaited(first)
    assert connections.admit(Client(), 0.0) is None
    assert [client.closed for client in (first, second, third)] == [False, True, False]
    assert len(connections) == 3


def test_a_request_under_way_is_never_given_up_and_a_new_connection_is_refused() -> None:
    clients = [Client(), Client()]
    connections = held(ConnectionLimits(connections=2), *clients)
    for client in clients:
        connections.working(client)
    assert connections.admit(Client(), 0.0) is TOO_MANY_CONNECTIONS
    connections.left(clients[0])
    assert connections.admit(Client(), 0.0) is None
    assert not any(client.closed for client in clients)


def test_one_address_has_a_bound_of_its_own_and_keeps_nobody_else_out() -> None:
    greedy = [Client(), Client()]
    connections = held(ConnectionLimits(connections=10, per_address=2), *greedy)
    for client in greedy:
        connections.working(client)
    assert connections.admit(Client(), 0.0) is TOO_MANY_FROM_ADDRESS
    other = Client("192.0.2.2")
    assert connections.admit(other, 0.0) is None
    connections.awaited(greedy[1])
    assert connections.admit(Client(), 0.0) is None
    assert [client.closed for client in (*greedy, other)] == [False, True, False]


def test_what_was_refused_or_has_left_is_not_counted() -> None:
    client = Client()
    connections = held(ConnectionLimits(connections=5, per_address=1), client)
    connections.left(Client())
    connections.left(client)
    connections.left(client)
    connections.awaited(client)
    assert len(connections) == 0
    assert connections.admit(Client(), 0.0) is None


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_client_is_counted_by_what_it_has_to_itself(host: str, counted: str) -> None:
    assert counted_address(host) == counted
