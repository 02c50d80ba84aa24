"""Whether a relay still works, as one process sees it: strikes, and the slow start after them.

Three failures of the connection in a row, without one proper answer about a message between them,
are enough to leave a relay alone; while others were on the wire, all of these must have failed too,
since a relay that takes ten connections and refuses the eleventh works. After a rest it is met
with one connection; each proper answer lets it have more, twice as many in each round.
"""

from newsletter.delivery.retry import is_about_the_message
from newsletter.mail.smtp_answers import Answer, Outcome, Stage

ENOUGH = 3
OPENING = {Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.TLS, Stage.AUTH}
CAREFUL_ROUNDS = 100  # before one more connection is tried where one more was refused


def is_strike(answer: Answer) -> bool:
    """Whether a connection failed: not opened, 421, 4yz to MAIL, lost, silent or senseless."""
    if answer.outcome is Outcome.IN_DOUBT:
        return True
    return answer.outcome is Outcome.NOT_NOW and not is_about_the_message(answer)


class Strikes:
    """What one process has seen of one relay; kept as long as its connections to it.

    `allowed` is how many connections it may have now.
    """

    def __init__(self, most: int) -> None:
        """`most` is how many connections it may ever have."""
        self._most = most
        self.start_over()

    def start_over(self) -> None:
        """Begin with one connection: at first, and whenever there was no full leave for it."""
        self.allowed = 1
        self.is_working = False
        self._in_a_row = 0
        self._needed = ENOUGH
        self._is_careful = False
        self._proper = 0

    def take(self, answer: Answer, *, under_way: int = 0, is_probe: bool = False) -> bool:
        """Look at the next answer; says whether to trip the breaker, and then starts over.

        `under_way` is how many other messages the relay has and has not answered. A probe
        fails by its first strike. `is_working` tells afterwards whether it has succeeded.
        """
        if is_about_the_message(answer):
            self._in_a_row = 0
            self.is_working = True
            self._grow()
        elif is_strike(answer):
            return self._strike(answer, under_way, is_probe=is_probe)
        return False

    def _strike(self, answer: Answer, under_way: int, *, is_probe: bool) -> bool:
        if not self._in_a_row:
            self._needed = max(ENOUGH, 1 + under_way)
        self._in_a_row += 1
        if self._in_a_row >= self._needed or (is_probe and not self.is_working):
            self.start_over()
            return True
        if answer.stage in OPENING:
            self.allowed = max(1, self.allowed - 1)
            self._is_careful = True
            self._proper = 0
        return False

    def _grow(self) -> None:
        """Double after a round of proper answers; by one, and rarely, where one was refused."""
        self._proper += 1
        rounds = CAREFUL_ROUNDS if self._is_careful else 1
        if self.allowed < self._most and self._proper >= self.allowed * rounds:
            more = 1 if self._is_careful else self.allowed
            self.allowed = min(self._most, self.allowed + more)
            self._proper = 0
