"""A relay in a process of its own that outlives whatever is killed, and misbehaves on command.

`python -m tests.chaos.sink FILE` listens on a free loopback port. It appends a line to FILE for
each message it takes, before it says so: what is in FILE reached the sink, whatever else was
answered. Each line on stdin is an `Order` in JSON; each is answered by a `Report`. It ends when
stdin ends, so that no test leaves one behind.
"""

import json
import os
import random
import re
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

EXTENSIONS = ("PIPELINING", "SIZE 100000000", "8BITMIME", "ENHANCEDSTATUSCODES")
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(<[^>]+>)", re.IGNORECASE | re.MULTILINE)
SUBJECT = re.compile(rb"^Subject:\s*([^\r]*)", re.IGNORECASE | re.MULTILINE)
RECEIVE_BUFFER = 4096  # octets; small, so that whoever stops reading is felt


@dataclass(frozen=True)
class Fault:
    """What goes wrong at a stage: greeting, ehlo, mail, rcpt, data, body, dot or answer.

    `body` comes before a message is read, `dot` when it is read but not taken, `answer` when it
    is taken but not answered. A fault says `text` if it has one, waits for `seconds`, and then
    hangs up or, if it `recovers`, goes on with what it should have done unless it has spoken.
    """

    stage: str
    text: str = ""
    seconds: float = 0
    recovers: bool = False
    share: float = 1  # of the occasions
    times: int | None = None  # and then no more
    to: str = ""  # only for recipients that begin so

    @property
    def name(self) -> str:
        """What it is counted under."""
        end = "goes on" if self.recovers else "hangs up"
        wait = f"waits {self.seconds:g} s" if self.seconds else ""
        return " ".join(part for part in (self.stage, self.text[:3], wait, end) if part)


@dataclass
class Order:
    """How to behave from now on."""

    faults: list[Fault] = field(default_factory=list)
    rate: float | None = None  # messages per second over all connections
    refuses: bool = False  # connections; those that are open stay
    cuts: bool = False  # once: all that are open
    seed: int = 0


@dataclass
class Report:
    """What it has seen."""

    port: int
    taken: int
    connections: int  # open now
    done: dict[str, int]  # faults, by name


class Gone(Exception):
    """The connection ends here."""


class Sink:
    """The listener, its orders and its memory."""

    def __init__(self, path: Path) -> None:
        self.order = Order()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._lock = threading.Lock()
        self._chance = random.Random()
        self._taken = 0
        self._done: Counter[str] = Counter()
        self._open: set[socket.socket] = set()
        self._next_turn = 0.0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._port: int = self._listener.getsockname()[1]
        self._listen()

    def obey(self, order: Order) -> None:
        """Behave so from now on."""
        with self._lock:
            was_refusing, self.order = self.order.refuses, order
            self._chance.seed(order.seed)
            self._done.clear()
            cut = list(self._open) if order.cuts else []
        for connection in cut:
            with suppress(OSError):  # it may be closed already
                connection.shutdown(socket.SHUT_RDWR)
        if order.refuses and not was_refusing:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        elif was_refusing and not order.refuses:
            self._listener = socket.create_server(("127.0.0.1", self._port), backlog=512)
            self._listen()

    def report(self) -> Report:
        """What it has seen so far."""
        with self._lock:
            return Report(self._port, self._taken, len(self._open), dict(self._done))

    def fault(self, stage: str, recipient: str) -> Fault | None:
        """What goes wrong here, if anything."""
        with self._lock:
            for fault in self.order.faults:
                if fault.stage != stage or not recipient.startswith(fault.to):
                    continue
                if fault.times is not None and self._done[fault.name] >= fault.times:
                    continue
                if self._chance.random() < fault.share:
                    self._done[fault.name] += 1
                    return fault
        return None

    def take(self, content: bytes, recipient: str) -> None:
        """Keep a message for good."""
        head = content.partition(b"\r\n\r\n")[0]
        found = [pattern.search(head) for pattern in (MESSAGE_ID, SUBJECT)]
        words = [match[1].decode() if match else "" for match in found]
        with self._lock:
            os.write(self._file, "\t".join([*words, recipient]).encode() + b"\n")
            self._taken += 1

    def wait_for_turn(self) -> None:
        """Keep to the rate."""
        with self._lock:
            if not self.order.rate:
                return
            now = time.monotonic()
            self._next_turn = max(self._next_turn + 1 / self.order.rate, now)
            wait = self._next_turn - now
        time.sleep(wait)

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # we refuse from now on
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            Session(self, connection).talk()
        except (Gone, OSError):
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()


class Session:
    """One connection."""

    def __init__(self, sink: Sink, connection: socket.socket) -> None:
        self._sink = sink
        self._socket = connection
        self._buffer = bytearray()
        self._has_sender = False
        self._recipient = ""

    def talk(self) -> None:
        """From greeting to goodbye."""
        self._answer("greeting", "220 sink.example ready")
        while True:
            line = self._read_until(b"\r\n").decode("ascii", "replace")
            getattr(self, f"_{line[:4].lower()}", self._unknown)(line)

    def _ehlo(self, _line: str) -> None:
        lines = ["sink.example", *EXTENSIONS]
        replies = [f"250-{word}" for word in lines[:-1]] + [f"250 {lines[-1]}"]
        self._answer("ehlo", "\r\n".join(replies))

    def _mail(self, _line: str) -> None:
        self._recipient = ""
        self._has_sender = self._answer("mail", "250 2.1.0 sender ok")

    def _rcpt(self, line: str) -> None:
        recipient = line.partition("<")[2].partition(">")[0]
        if not self._has_sender:
            self._say("503 5.5.1 MAIL first")
        elif self._answer("rcpt", "250 2.1.5 recipient ok", recipient):
            self._recipient = recipient

    def _data(self, _line: str) -> None:
        if not self._recipient:
            self._say("554 5.5.1 no valid recipient")
        elif self._answer("data", "354 go ahead", self._recipient):
            self._take_message()
        self._has_sender, self._recipient = False, ""

    def _rset(self, _line: str) -> None:
        self._has_sender, self._recipient = False, ""
        self._say("250 2.0.0 forgotten")

    def _quit(self, _line: str) -> None:
        self._say("221 2.0.0 bye")
        raise Gone

    def _unknown(self, _line: str) -> None:
        self._say("500 5.5.1 what?")

    def _take_message(self) -> None:
        self._go_wrong("body")
        content = self._read_until(b"\r\n.\r\n")
        self._sink.wait_for_turn()
        if self._go_wrong("dot"):
            return
        self._sink.take(content, self._recipient)
        self._answer("answer", "250 2.0.0 taken")

    def _answer(self, stage: str, text: str, recipient: str = "") -> bool:
        """Say this, unless something goes wrong; whether it was said."""
        if self._go_wrong(stage, recipient):
            return False
        self._say(text)
        return True

    def _go_wrong(self, stage: str, recipient: str = "") -> bool:
        """Misbehave if it is time to; whether there is an answer already."""
        fault = self._sink.fault(stage, recipient or self._recipient)
        if not fault:
            return False
        time.sleep(fault.seconds)
        if fault.text:
            self._say(fault.text)
        if not fault.recovers:
            raise Gone
        return bool(fault.text)

    def _say(self, text: str) -> None:
        self._socket.sendall(text.encode() + b"\r\n")

    def _read_until(self, end: bytes) -> bytes:
        searched = 0
        while (position := self._buffer.find(end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end))
            data = self._socket.recv(65536)
            if not data:
                raise Gone
            self._buffer += data
        found = bytes(self._buffer[:position])
        del self._buffer[: position + len(end)]
        return found


def order_from(words: dict[str, Any]) -> Order:
    """An order as it came over the pipe."""
    assert words.keys() <= {one.name for one in fields(Order)}
    return Order(**words | {"faults": [Fault(**fault) for fault in words["faults"]]})


def main(path: str) -> None:
    """Obey until nobody is there to give orders."""
    sink = Sink(Path(path))
    for line in sys.stdin:
        words = json.loads(line)
        if words is not None:
            sink.obey(order_from(words))
        sys.stdout.write(json.dumps(asdict(sink.report())) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
