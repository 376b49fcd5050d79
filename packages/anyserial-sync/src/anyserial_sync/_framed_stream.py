"""Frames over a blocking port: the twin of `anyserial.framing.FramedStream`.

The state is the same `Decoder`, and an exchange is the same steps. Only waiting is different: a receive has a
timeout that ends where the silence does that the framing waits for, or where the caller's timeout does.
"""

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol, Self, cast

import anyio
from anyserial._spi import (
    MOST_READS,
    QUIET,
    Clear,
    Decoder,
    Receive,
    Send,
    check_positive,
    check_seconds,
    exchange,
    path_of,
)
from anyserial.exceptions import LineError, SerialError
from anyserial.framing import Framing, FramingError

from anyserial_sync._fair_lock import FairLock
from anyserial_sync._timeouts import deadline_of, remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import TracebackType

    from anyserial._spi import ExchangeSteps, Settle, Step

    from anyserial_sync._serial_port import SerialPort

__all__ = ("BlockingByteStream", "FramedStream")


class BlockingByteStream(Protocol):
    """What a `FramedStream` needs of its stream; a `SerialPort` has it.

    A ``receive_with_time``, with the parameters of `SerialPort.receive_with_time`, is used if there is one.
    """

    def receive(self, max_bytes: int = ..., *, timeout: float | None = None) -> bytes:
        """Receive at least one byte; raise TimeoutError if none comes in time, 0 being the time for a look."""
        ...

    def send(self, item: bytes, *, timeout: float | None = None) -> None:
        """Send all of *item*."""
        ...

    def close(self) -> None:
        """Close the stream."""
        ...

    @property
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes of the stream."""
        ...


class FramedStream(anyio.TypedAttributeProvider):
    """Frames over a blocking byte stream: each receive returns one frame, each send sends one.

    Several threads may share it: exchanges wait for their turn in the order in which they were begun, and so do
    sends. Receiving is for one thread at a time. A `receive` during an exchange, or an exchange while another
    thread receives, raises anyio.BusyResourceError, because neither could know whose frame the next one is.

    Ctrl-C loses no byte that was not decoded yet. If it comes in the middle of decoding, the frame is reported as
    `FrameDamaged` by the next receive.

    Args:
        stream: An `anyserial.sync.SerialPort`, or another object with these methods. Do not receive from it in any
            other way.
        framing: How frames are found. No other stream may use the same object.
        unsolicited: Called with each frame that came before or during an exchange and was not its answer, for
            example the ``put_nowait`` of a queue. None gives them up. It must not block. If it
            raises, as a full queue does, the frame is given up with a warning of the logger ``anyserial.framing``,
            and the exchange goes on.
        quiet: Seconds, 0 or more: how long the line must be quiet before the next exchange, after one that
            ended without an answer.

    Raises:
        TypeError: *framing* is not a `Framing`, or *quiet* is not a number.
        ValueError: *quiet* is negative or not finite.
        UnsupportedFeatureError: *framing* needs the settings of a serial port, and *stream* has none.
    """

    def __init__(
        self,
        stream: BlockingByteStream,
        framing: Framing,
        *,
        unsolicited: "Callable[[bytes], object] | None" = None,
        quiet: float = QUIET,
    ) -> None:
        self._quiet = check_seconds("quiet", quiet)
        self._stream = stream
        self._path = path_of(cast("anyio.TypedAttributeProvider", stream))
        self._decoder = Decoder(framing, stream, self._path)
        self._unsolicited = unsolicited or _give_up
        self._receive_timed: Callable[..., tuple[bytes, float]] = getattr(
            stream, "receive_with_time", self._receive_then_look
        )
        # Only silence needs the time of a read, and a receive without it costs less.
        self._is_timed = type(framing).silence is not Framing.silence
        self._turns: dict[str, object] = {}  # the thread that receives or exchanges: one atomic step takes the turn
        self._is_settled = True
        self._exchange_turn = FairLock()
        self._send_turn = FairLock()

    @property
    def stream(self) -> BlockingByteStream:
        """The stream that the frames come from."""
        return self._stream

    @property
    def framing(self) -> Framing:
        """How frames are found."""
        return self._decoder.framing

    def receive(self, *, timeout: float | None = None) -> bytes:
        """Receive one frame.

        Args:
            timeout: Seconds to wait for all of it; 0 takes what has arrived, None waits as long as the stream's own
                ``receive`` does: a port's `default_timeout`, counted from each read.

        Returns:
            The frame, without what the framing adds to it on the line.

        Raises:
            TimeoutError: No whole frame came in time; what came is completed by the next receive.
            FramingError: A frame was too long or damaged; the next receive goes on behind it.
            FrameCutOff: The stream ended in the middle of a frame, which is the error's ``partial``; the next
                receive raises the cause.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: The port's `cancel_receive` was called meanwhile; as for a timeout.
            LineError: A break came between two frames (with `LineErrors.RAISE`).
            anyio.BusyResourceError: Another thread is receiving, or an exchange is under way.
        """
        deadline = deadline_of(timeout)
        me = object()
        try:
            if self._turns.setdefault("receiver", me) is not me:
                raise anyio.BusyResourceError("receiving from this FramedStream")
            return self._next(deadline)
        finally:
            self._leave(me)

    def send(self, item: bytes, *, timeout: float | None = None) -> None:
        """Send one frame. Frames of several threads are sent one after the other.

        Args:
            item: The frame, without what the framing adds to it.
            timeout: Seconds that the sending may take; waiting for other threads is not counted.

        Raises:
            ValueError: The framing cannot send this frame; nothing was sent.
            TimeoutError: Not all of it was taken in time.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialDisconnectedError: The device is gone.
        """
        data = self.framing.encode(item)
        with self._send_turn.held():
            self._stream.send(data, timeout=timeout)

    def exchange(
        self,
        request: bytes,
        *,
        timeout: float,
        attempts: int = 1,
        accept: "Callable[[bytes], object] | None" = None,
    ) -> bytes:
        """Send a request and receive its answer.

        Exchanges of several threads are made one at a time, in the order in which they were begun. Which frames
        count as the answer is the same as for the async `anyserial.framing.FramedStream.exchange`.

        Args:
            request: The frame to send.
            timeout: Seconds that each attempt may take, above 0: the line becoming quiet, and again sending and
                the answer. Waiting for other exchanges is not counted.
            attempts: How often to send the request until there is an answer, at least 1. A damaged answer is
                none.
            accept: Returns whether a frame is the answer. Others are handed to *unsolicited*. None accepts any.

        Returns:
            The answer.

        Raises:
            TimeoutError: No attempt had an answer in time.
            FramingError: The same, and the last attempt received a damaged frame.
            LineError: The same, and the last attempt received a damaged character.
            ValueError: The framing cannot send this frame; nothing was sent.
            anyio.BusyResourceError: Another thread is in `receive`; nothing was sent.
            SerialClosedError: As `receive`; so are SerialDisconnectedError, SerialCancelledError and FrameCutOff.
        """
        check_seconds("timeout", timeout, zero=False)
        check_positive("attempts", attempts)
        data = self.framing.encode(request)
        me = object()
        with self._exchange_turn.held():
            try:
                if self._turns.setdefault("receiver", me) is not me:
                    raise anyio.BusyResourceError("receiving from this FramedStream")
                steps = exchange(
                    data,
                    timeout=timeout,
                    attempts=attempts,
                    accept=accept,
                    unsolicited=self._unsolicited,
                    quiet=self._quiet,
                    is_settled=self._is_settled,
                    clock=monotonic,
                )
                self._is_settled = False
                answer = self._carry_out(steps)
                self._is_settled = True
                return answer
            finally:
                self._leave(me)

    def close(self) -> None:
        """Close the stream. Frames that were not received yet are given up."""
        self._decoder.discard()
        self._stream.close()

    def __iter__(self) -> "Generator[bytes]":
        """Iterate over the frames, waiting without limit; anyio.EndOfStream ends the iteration."""
        try:
            while True:
                yield self.receive()
        except anyio.EndOfStream:
            return

    def __enter__(self) -> Self:
        """Return the stream; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close the stream."""
        self.close()

    @property
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes of the stream."""
        return self._stream.extra_attributes

    # Receiving

    def _leave(self, me: object) -> None:
        if self._turns.get("receiver") is me:
            del self._turns["receiver"]

    def _next(self, deadline: float | None) -> bytes:
        ready = self._decoder.ready
        while not ready:
            try:
                self._fill(deadline)
            except TimeoutError:
                raise
            except Exception as exc:
                self._failed(exc)
                raise
        frame = ready.popleft()
        if isinstance(frame, bytes):
            return frame
        raise frame

    def _fill(self, deadline: float | None) -> None:
        """Receive once, or find that silence has come, and tell the decoder."""
        decoder = self._decoder
        if decoder.wanted is not None:
            # Only a serial port has settings that a framing could want others of.
            cast("SerialPort", self._stream).configure(decoder.wanted, timeout=remaining(deadline))
            decoder.wanted = None
        quiet_at = decoder.quiet_at() if self._is_timed else None
        waits_for_silence = quiet_at is not None and (deadline is None or quiet_at <= deadline)
        timeout = remaining(quiet_at if waits_for_silence else deadline)
        try:
            if self._is_timed:
                decoder.feed(*self._receive_timed(timeout=timeout))
            else:
                decoder.feed(self._stream.receive(timeout=timeout))
        except TimeoutError:
            if not waits_for_silence:
                raise timed_out("no whole frame was received", self._path or "") from None
            decoder.quiet()

    def _receive_then_look(self, *, timeout: float | None) -> tuple[bytes, float]:
        """Receive from a stream without timestamps."""
        data = self._stream.receive(timeout=timeout)
        return data, monotonic()

    def _failed(self, exc: Exception) -> None:
        """Raise what the end of the stream means for the frame that is under way, if it means anything."""
        failure = self._decoder.failed(exc)
        if failure is not exc:
            raise failure from exc

    # Exchanging

    def _carry_out(self, steps: "ExchangeSteps") -> bytes:
        """Carry out the steps of an exchange; return its answer."""
        try:
            step = next(steps)
            while True:
                try:
                    result = self._step(step)
                except (FramingError, LineError) as exc:
                    step = steps.throw(exc)
                else:
                    step = steps.send(result)
        except StopIteration as exc:
            answer: bytes = exc.value
            return answer

    def _step(self, step: "Step") -> bytes | list[bytes] | bool | None:
        if isinstance(step, Clear):
            return self._clear()
        if not isinstance(step, (Send, Receive)):
            return self._settle(step)
        try:
            if isinstance(step, Receive):
                return self._next(step.deadline)
            with self._send_turn.held():
                self._stream.send(step.data, timeout=remaining(step.deadline))
            return True
        except TimeoutError:
            return None if isinstance(step, Receive) else False

    def _clear(self) -> list[bytes]:
        """Take what has arrived."""
        reads = 0
        while reads < MOST_READS and self._listen(0.0):
            reads += 1
        return self._decoder.take_all()

    def _settle(self, step: "Settle") -> list[bytes] | None:
        """Take what arrives, until nothing comes for a while."""
        while self._listen(step.quiet):
            if monotonic() > step.deadline:
                return None
        return self._decoder.take_all()

    def _listen(self, seconds: float) -> bool:
        """Receive once, for at most *seconds*; return whether anything came."""
        try:
            data = self._stream.receive(timeout=seconds)
        except TimeoutError:
            return False
        except LineError:
            self.framing.resync()
            return True
        except (SerialError, anyio.EndOfStream, anyio.BrokenResourceError) as exc:
            self._failed(exc)
            raise
        self._decoder.feed(data, monotonic())
        return True


def _give_up(_frame: bytes) -> None:
    """Stand in for `unsolicited`."""
