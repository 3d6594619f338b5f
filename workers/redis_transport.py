"""kombu's Redis transport with a sieve where replies are read: an entry that is refused was never delivered."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import redis
import redis.client
from kombu.transport import redis as plain
from kombu.transport import virtual
from kombu.utils.encoding import bytes_to_str

from workers.sieve import Sieve


class SiftingPubSub(redis.client.PubSub):
    """A subscriber to broadcasts that hears no malformed ones."""

    def __init__(self, *args: Any, sieve: Sieve, **kwargs: Any) -> None:
        self._sieve = sieve
        super().__init__(*args, **kwargs)

    def parse_response(self, *args: Any, **kwargs: Any) -> Any:
        """The next reply, or None in its place when it was refused: kombu takes that for silence."""
        reply = redis.client.PubSub.parse_response(self, *args, **kwargs)
        if isinstance(reply, list) and bytes_to_str(reply[0]) in ("message", "pmessage"):
            channel, data = reply[-2:]
            if self._sieve.refuses_entry(_text(channel), data):
                return None
        return reply


class SiftingRedis(redis.Redis):
    """A client that gets no malformed entries out of lists."""

    def __init__(self, *args: Any, sieve: Sieve, **kwargs: Any) -> None:
        self._sieve = sieve
        super().__init__(*args, **kwargs)

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        """The reply, or None when its entry was refused: kombu takes that for the end of the command's patience."""
        reply = redis.Redis.parse_response(self, connection, command_name, **options)
        if command_name == "BRPOP" and reply:
            key, entry = reply
            if self._sieve.refuses_entry(_text(key).partition(plain.Channel.sep)[0], entry):
                return None
        return reply

    def pubsub(self, **kwargs: Any) -> SiftingPubSub:
        """A subscriber with the same sieve."""
        return SiftingPubSub(self.connection_pool, sieve=self._sieve, **kwargs)


class QoS(virtual.QoS):
    """What is delivered and not yet acknowledged: known to this process only.

    kombu writes it to Redis, eight commands a message, so that after the visibility timeout another worker finds what a
    dead one held. Here the ledger has known that for long: a message is a hint (bench/README.md).
    """

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        """Drop a message, or put it back behind those that wait."""
        if requeue:
            self._put_back([self.get(delivery_tag)], leftmost=True)
        self.ack(delivery_tag)

    def restore_unacked(self) -> None:
        """Put all back, before those that wait and in the order in which they came."""
        self._flush()  # type: ignore[attr-defined]  # kombu's stubs do not have it; else what is acknowledged comes too
        delivered: Any = self._delivered
        self._put_back(reversed(delivered.values()))
        delivered.clear()

    def _put_back(self, messages: Iterable[Any], *, leftmost: bool = False) -> None:
        channel: Any = self.channel
        with channel.conn_or_acquire() as client, client.pipeline() as pipe:
            for message in messages:
                channel.put_back(message, pipe, leftmost=leftmost)
            pipe.execute()


class Channel(plain.Channel):
    """A channel whose clients sift what they read, and that keeps the one that it gives commands through.

    kombu makes a client for each command, which takes longer than the command.
    """

    QoS = QoS  # type: ignore[assignment]  # kombu has this for all its transports; its stubs want its own for Redis
    sieve: Sieve | None = None
    from_transport_options = (*plain.Channel.from_transport_options, "sieve")
    _commands: Any = None

    def _create_client(self, asynchronous: bool = False) -> Any:
        if asynchronous:
            return super()._create_client(asynchronous)  # type: ignore[misc]  # kombu's stubs do not have it
        if self._commands is None or self._commands.connection_pool is not self.pool:
            self._commands = super()._create_client()  # type: ignore[misc]  # kombu's stubs do not have it
        return self._commands

    def put_back(self, message: Any, pipe: Any, *, leftmost: bool) -> None:
        """Put a delivered message into its queue again, behind those that wait (`leftmost`) or before them."""
        info, sent = message.delivery_info, message.serializable()
        self._do_restore_message(sent, info["exchange"], info["routing_key"], pipe, leftmost)  # type: ignore[attr-defined]  # kombu's stubs do not have it

    def _get_client(self) -> Any:
        client: Any = super()._get_client()  # type: ignore[misc]  # kombu's stubs do not have it
        return client if self.sieve is None else partial(SiftingRedis, sieve=self.sieve)


class Transport(plain.Transport):
    """Goes by the name of the plain one."""

    Channel = Channel


def _text(key: bytes | str) -> str:
    return key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")
