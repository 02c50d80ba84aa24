"""Drive a relay as a sender of issues does: offer ahead, clear or withdraw what is ready."""

from collections.abc import Collection, Sequence

from newsletter.mail.smtp import Answered, Message, Relay

PATIENCE = 20  # seconds in which something must happen


def send(
    relay: Relay, messages: Sequence[Message], refused: Collection[int] = ()
) -> dict[int, Answered]:
    """Offer all of these; withdraw the refused ones when they are ready. The answers by key."""
    waiting = list(messages)
    answers: dict[int, Answered] = {}
    withdrawn: set[int] = set()
    while len(answers) + len(withdrawn) < len(messages):
        for _ in range(min(relay.room(), len(waiting))):
            relay.offer(waiting.pop(0))
        turn = relay.wait(PATIENCE)
        assert turn.answers or turn.ready or relay.room(), "Nothing happened."
        for answered in turn.answers:
            assert answered.key not in answers, "Two answers to one message."
            answers[answered.key] = answered
        relay.clear([key for key in turn.ready if key not in refused])
        relay.withdraw([key for key in turn.ready if key in refused])
        withdrawn.update(set(turn.ready) & set(refused))
    return answers
