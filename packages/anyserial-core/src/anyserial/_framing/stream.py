"""The async face: frames over any AnyIO byte stream.

Theory of operation. A `Decoder` has the framing and what it has found. A receive takes a frame from there, or
receives from the stream and feeds the decoder until there is one. Bytes are fed in the same step in which they
are received, with no await between, so a cancelled receive loses nothing: the decoder keeps what it has for the
next one.

If the framing waits for silence, the receive has a cancel scope whose deadline is the end of that silence. Bytes
that have arrived by the time the scope ends belong to the frame, because they came before anyone looked.

What a framing is and what an exchange does is not known here; see `contract` and `exchange`.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, override

import anyio
from anyio.abc import ObjectStream

from anyserial._checks import check_positive, check_seconds
from anyserial._clock import now
from anyserial._framing.contract import Framing
from anyserial._framing.decoder import Decoder
from anyserial._framing.errors import FramingError
from anyserial._framing.exchange import Clear, Receive, Send, exchange
from anyserial._framing.limits import MOST_READS, QUIET, attributes_of_stream, path_of
from anyserial.exceptions import LineError, SerialError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from anyio.abc import AnyByteStream

    from anyserial._framing.exchange import Settle, Step, Steps
    from anyserial.stream import SerialPort

__all__ = ("FramedStream",)

GENERIC_WAIT = 0.005  # seconds that a stream without `input_waiting` gets to hand over what has arrived


class FramedStream(ObjectStream[bytes]):
    """Frames over a byte stream: each receive returns one frame, each send sends one.

    Several tasks may share it: exchanges wait for their turn in the order in which they were begun, and so do
    sends. Receiving is for one task at a time. A `receive` during an exchange, or an exchange while another task
    receives, raises anyio.BusyResourceError, because neither could know whose frame the next one is.

    Args:
        stream: Any AnyIO byte stream, as a `SerialPort`. Do not receive from it in any other way.
        framing: How frames are found. No other stream may use the same object.
        unsolicited: Called with each frame that came before or during an exchange and was not its answer, for
            example the ``send_nowait`` of a memory object stream. None gives them up. It must not block. If it
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
        stream: "AnyByteStream",
        framing: Framing,
        *,
        unsolicited: Callable[[bytes], object] | None = None,
        quiet: float = QUIET,
    ) -> None:
        self._quiet = check_seconds("quiet", quiet)
        self._stream = stream
        self._decoder = Decoder(framing, stream, path_of(stream))
        self._ready = self._decoder.ready
        self._framing = framing
        self._unsolicited = unsolicited or _give_up
        self._receive_bytes: Callable[[], Awaitable[bytes]] = stream.receive
        self._receive_timed: Callable[[], Awaitable[tuple[bytes, float]]] = getattr(
            stream, "receive_with_time", self._receive_then_look
        )
        # What waits for silence, or wants other settings, takes the longer way.
        self._is_timed = type(framing).silence is not Framing.silence or self._decoder.wanted is not None
        self._is_receiving = False
        self._is_exchanging = False
        self._is_settled = True
        self._exchange_turn = anyio.Lock()
        self._send_turn = anyio.Lock(fast_acquire=True)

    @property
    def stream(self) -> "AnyByteStream":
        """The stream that the frames come from."""
        return self._stream

    @property
    def framing(self) -> Framing:
        """How frames are found."""
        return self._framing

    @override
    async def receive(self) -> bytes:
        """Receive one frame.

        Returns:
            The frame, without what the framing adds to it on the line.

        Raises:
            FramingError: A frame was too long or damaged; the next receive goes on behind it.
            FrameCutOff: The stream ended in the middle of a frame, which is the error's ``partial``; the next
                receive raises the cause.
            SerialDisconnectedError: The device is gone; other streams raise anyio.EndOfStream or
                anyio.BrokenResourceError.
            LineError: A break came between two frames (with `LineErrors.RAISE`).
            anyio.ClosedResourceError: The stream is closed.
            anyio.BusyResourceError: Another task is receiving, or an exchange is under way.

        Cancellation: nothing is lost; what was received of a frame stays, and the next receive completes it. A
        frame that was decoded already is returned at once, without a look at cancellation.
        """
        # A line of text costs little more here than its receive: the loop of `_next`, written out.
        ready = self._ready
        while not ready:
            if self._is_receiving or self._is_exchanging:
                self._refuse()
            self._is_receiving = True
            try:
                if self._is_timed:
                    await self._fill()
                else:
                    data = await self._receive_bytes()
                    ready.extend(self._framing.feed(data))
            except Exception as exc:
                self._failed(exc)
                raise
            finally:
                self._is_receiving = False
        frame = ready.popleft()
        if isinstance(frame, bytes):
            return frame
        raise frame

    @override
    async def send(self, item: bytes) -> None:
        """Send one frame. Frames of several tasks are sent one after the other.

        Args:
            item: The frame, without what the framing adds to it.

        Raises:
            ValueError: The framing cannot send this frame; nothing was sent.
            anyio.ClosedResourceError: The stream is closed.
            SerialDisconnectedError: The device is gone; other streams raise anyio.BrokenResourceError.

        Cancellation: some, all or none of the frame may have been sent.
        """
        data = self._framing.encode(item)
        async with self._send_turn:
            await self._stream.send(data)

    async def exchange(
        self,
        request: bytes,
        *,
        timeout: float,  # noqa: ASYNC109  # of each attempt, not of the call
        attempts: int = 1,
        accept: Callable[[bytes], object] | None = None,
    ) -> bytes:
        """Send a request and receive its answer.

        Exchanges of several tasks are made one at a time, in the order in which they were begun. Whatever
        arrived before the request is not its answer. After an exchange without an answer, the next one first
        waits until the line was quiet for *quiet* seconds (see the class), so an answer that arrives late, but
        before the next request, is not taken for another's. One that arrives even later can only be told by
        its content, and that is what *accept* is for.

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
            anyio.BusyResourceError: Another task is in `receive`; nothing was sent.
            anyio.ClosedResourceError: As `receive`; so are SerialDisconnectedError and FrameCutOff.

        Cancellation: the request may have been sent. Its answer is given up, as after a timeout.
        """
        check_seconds("timeout", timeout, zero=False)
        check_positive("attempts", attempts)
        data = self._framing.encode(request)
        async with self._exchange_turn:
            if self._is_receiving:
                self._refuse()
            steps = exchange(
                data,
                timeout=timeout,
                attempts=attempts,
                accept=accept,
                unsolicited=self._unsolicited,
                quiet=self._quiet,
                is_settled=self._is_settled,
                clock=now,
            )
            self._is_exchanging = True
            self._is_settled = False
            try:
                answer = await self._carry_out(steps)
                self._is_settled = True
                return answer
            finally:
                self._is_exchanging = False
                steps.close()

    @override
    async def send_eof(self) -> None:
        """Send an end of file, if the stream has one; a `SerialPort` waits until everything has been sent.

        Raises:
            anyio.ClosedResourceError: The stream is closed.

        Cancellation: as the stream's.
        """
        await self._stream.send_eof()

    @override
    async def aclose(self) -> None:
        """Close the stream. Frames that were not received yet are given up.

        Cancellation: as the stream's; a `SerialPort` is closed all the same.
        """
        self._decoder.discard()
        await self._stream.aclose()

    @property
    @override
    def extra_attributes(self) -> "Mapping[Any, Callable[[], Any]]":
        """The typed attributes of the stream."""
        return attributes_of_stream(self._stream)

    # Receiving

    async def _fill(self) -> None:
        """Receive once, or find that silence has come, and tell the decoder."""
        decoder = self._decoder
        if decoder.wanted is not None:
            # Only a serial port has settings that a framing could want others of.
            await cast("SerialPort", self._stream).configure(decoder.wanted)
            decoder.wanted = None
        if (quiet_at := decoder.quiet_at()) is None:
            decoder.feed(*await self._receive_timed())
            return
        # The clock of the event loop may be another one.
        with anyio.CancelScope(deadline=anyio.current_time() + quiet_at - now()):
            decoder.feed(*await self._receive_timed())
            return
        if self._has_input():
            decoder.feed(*await self._receive_timed())
        elif now() >= quiet_at:  # uvloop's clock counts whole milliseconds, and may be early
            decoder.quiet()

    async def _receive_then_look(self) -> tuple[bytes, float]:
        """Receive from a stream without timestamps."""
        data = await self._receive_bytes()
        return data, now()

    def _has_input(self) -> bool:
        """Return whether the stream knows of bytes that have arrived."""
        ask: Callable[[], int] | None = getattr(self._stream, "input_waiting", None)
        try:
            return ask is not None and ask() > 0
        except SerialError:  # the device is gone, or its driver cannot say
            return False

    async def _next(self) -> bytes:
        ready = self._ready
        while not ready:
            try:
                await self._fill()
            except Exception as exc:
                self._failed(exc)
                raise
        frame = ready.popleft()
        if isinstance(frame, bytes):
            return frame
        raise frame

    def _failed(self, exc: Exception) -> None:
        """Raise what the end of the stream means for the frame that is under way, if it means anything."""
        failure = self._decoder.failed(exc)
        if failure is not exc:
            raise failure from exc

    def _refuse(self) -> None:
        doing = "exchanging over" if self._is_exchanging else "receiving from"
        raise anyio.BusyResourceError(f"{doing} this FramedStream")

    # Exchanging

    async def _carry_out(self, steps: "Steps") -> bytes:
        """Carry out the steps of an exchange; return its answer."""
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._step(step)
                except (FramingError, LineError) as exc:
                    step = steps.throw(exc)
                else:
                    step = steps.send(result)
        except StopIteration as exc:
            answer: bytes = exc.value
            return answer

    async def _step(self, step: "Step") -> bytes | list[bytes] | bool | None:
        if isinstance(step, Send):
            with anyio.move_on_after(max(step.deadline - now(), 0)):
                async with self._send_turn:
                    await self._stream.send(step.data)
                return True
            return False
        if isinstance(step, Receive):
            with anyio.move_on_after(max(step.deadline - now(), 0)):
                return await self._next()
            return None
        if isinstance(step, Clear):
            await self._clear()
            return self._decoder.take_all()
        return await self._settle(step)

    async def _clear(self) -> None:
        """Take what has arrived."""
        if not hasattr(self._stream, "input_waiting"):
            await self._listen(GENERIC_WAIT)
            return
        reads = 0
        while reads < MOST_READS and self._has_input():
            await self._listen(math.inf)
            reads += 1

    async def _settle(self, step: "Settle") -> list[bytes] | None:
        """Take what arrives, until nothing comes for a while."""
        while await self._listen(step.quiet):
            if now() > step.deadline:
                return None
        return self._decoder.take_all()

    async def _listen(self, seconds: float) -> bool:
        """Receive once, for at most *seconds*; return whether anything came."""
        with anyio.move_on_after(seconds):
            try:
                self._decoder.feed(await self._receive_bytes(), now())
            except LineError:
                self._framing.resync()
            except Exception as exc:
                self._failed(exc)
                raise
            return True
        return False


def _give_up(_frame: bytes) -> None:
    """Stand in for `unsolicited`."""
