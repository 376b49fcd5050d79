"""Which answer belongs to which request, and what is not waited for again."""

from anyserial._network.com_port import Command, Control
from anyserial._network.questions import Questions, key_of

RATE = (Command.BAUDRATE, 0)


def test_an_answer_ends_the_question() -> None:
    questions = Questions()
    key = questions.ask(Command.BAUDRATE, 9600)
    assert questions.is_open(key)
    questions.heard(Command.BAUDRATE, 9615)
    assert not questions.is_open(key)
    assert questions.answer(key) == 9615


def test_the_kinds_of_control_are_kept_apart() -> None:
    questions = Questions()
    dtr = questions.ask(Command.CONTROL, Control.DTR_ON)
    rts = questions.ask(Command.CONTROL, Control.RTS_OFF)
    questions.heard(Command.CONTROL, Control.RTS_OFF)
    questions.heard(Command.CONTROL, 99)  # no such value
    assert questions.is_open(dtr)
    assert questions.answer(rts) == Control.RTS_OFF
    assert key_of(Command.CONTROL, 99) is None


def test_a_question_that_had_its_time_is_not_expected_again() -> None:
    questions = Questions()
    key = questions.ask(Command.PURGE, 1)
    assert questions.is_expected(key)
    questions.give_up((key,), mute=True)
    assert questions.is_mute(Command.PURGE, 1)
    questions.ask(Command.PURGE, 1)
    assert questions.is_open(key)
    assert not questions.is_expected(key)
    questions.heard(Command.PURGE, 1)  # after all
    questions.ask(Command.PURGE, 1)
    assert questions.is_expected(key)


def test_requests_that_only_ask_are_counted_apart() -> None:
    questions = Questions()
    questions.give_up((questions.ask(Command.CONTROL, Control.ASK_DTR),), mute=True)
    assert questions.is_expected(questions.ask(Command.CONTROL, Control.DTR_ON))


def test_a_late_answer_is_not_taken_for_that_of_the_next_request() -> None:
    questions = Questions()
    questions.give_up((questions.ask(Command.BAUDRATE, 9600),), mute=True)
    questions.ask(Command.BAUDRATE, 19200)
    questions.heard(Command.BAUDRATE, 9600)
    assert questions.is_open(RATE)
    questions.heard(Command.BAUDRATE, 19200)
    assert questions.answer(RATE) == 19200


def test_a_cancelled_question_is_not_mute() -> None:
    questions = Questions()
    questions.give_up((questions.ask(Command.PURGE, 1),), mute=False)
    assert questions.is_expected(questions.ask(Command.PURGE, 1))
