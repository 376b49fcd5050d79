"""The programs that are measured: `clients.py LIBRARY RUNTIME TASK ARGUMENTS...`.

Runs in whatever environment has the library, knows nothing of the rest of this
package, and prints its result as JSON. Each library is used as its documentation
shows, in the way that is fastest for it.
"""

import asyncio
import gc
import json
import os
import select
import sys
import threading
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

MESSAGE = b"0123456789abcdef"
SIZE = len(MESSAGE)
BAUDRATE = 115200


class Anyserial:
    """anyserial on whatever AnyIO runs on."""

    def __init__(self) -> None:
        self.library: Any = import_module("anyserial")

    async def open(self, path: str) -> Any:
        return await self.library.open_serial_port(path)

    async def exchange(self, port: Any, count: int) -> None:
        for _ in range(count):
            await port.send(MESSAGE)
            got = await port.receive(SIZE)
            while len(got) < SIZE:
                got += await port.receive(SIZE - len(got))

    async def ask(self, port: Any) -> None:
        await port.send(b"g")

    async def receive(self, port: Any) -> int:
        return len(await port.receive())

    async def receive_within(self, port: Any, seconds: float) -> None:
        with import_module("anyio").move_on_after(seconds):
            await port.receive()

    async def close(self, port: Any) -> None:
        await port.aclose()


class Streams(Anyserial):
    """What gives asyncio transports and streams: anyserial.asyncio, serialx and pyserial-asyncio-fast."""

    def __init__(self, module: str) -> None:
        self.library = import_module(module)

    async def open(self, path: str) -> Any:
        return await self.library.open_serial_connection(url=path, baudrate=BAUDRATE)

    async def exchange(self, port: Any, count: int) -> None:
        reader, writer = port
        for _ in range(count):
            writer.write(MESSAGE)
            await reader.readexactly(SIZE)

    async def ask(self, port: Any) -> None:
        port[1].write(b"g")

    async def receive(self, port: Any) -> int:
        return len(await port[0].read(65536))

    async def receive_within(self, port: Any, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await port[0].read(SIZE)

    async def close(self, port: Any) -> None:
        port[1].close()
        with suppress(Exception):
            await port[1].wait_closed()


class Aioserial(Anyserial):
    """aioserial: pyserial's calls in threads."""

    def __init__(self) -> None:
        self.library = import_module("aioserial")

    async def open(self, path: str) -> Any:
        return self.library.AioSerial(port=path, baudrate=BAUDRATE)

    async def exchange(self, port: Any, count: int) -> None:
        for _ in range(count):
            await port.write_async(MESSAGE)
            await port.read_async(SIZE)

    async def ask(self, port: Any) -> None:
        await port.write_async(b"g")

    async def receive(self, port: Any) -> int:
        return len(await port.read_async(max(1, port.in_waiting)))

    async def receive_within(self, port: Any, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await port.read_async(SIZE)

    async def close(self, port: Any) -> None:
        port.close()


class Bare(Anyserial):
    """`anyio.wait_readable`, a read and a write, nothing else."""

    def __init__(self) -> None:
        self.library = import_module("anyio")

    async def open(self, path: str) -> Any:
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    async def exchange(self, port: Any, count: int) -> None:
        wait = self.library.wait_readable
        for _ in range(count):
            os.write(port, MESSAGE)
            await wait(port)
            os.read(port, SIZE)

    async def ask(self, port: Any) -> None:
        os.write(port, b"g")

    async def receive(self, port: Any) -> int:
        await self.library.wait_readable(port)
        return len(os.read(port, 65536))

    async def close(self, port: Any) -> None:
        os.close(port)


class Tcp(Anyserial):
    """A bare AnyIO TCP stream."""

    def __init__(self) -> None:
        self.library = import_module("anyio")

    async def open(self, path: str) -> Any:
        host, _, port = path.removeprefix("tcp://").rpartition(":")
        return await self.library.connect_tcp(host, int(port))


class BlockingAnyserial:
    """anyserial.sync."""

    def __init__(self) -> None:
        self.library: Any = import_module("anyserial.sync")

    def open(self, path: str) -> Any:
        return self.library.SerialPort.open(path)

    def exchange(self, port: Any, count: int) -> None:
        for _ in range(count):
            port.send(MESSAGE)
            got = port.receive(SIZE)
            while len(got) < SIZE:
                got += port.receive(SIZE - len(got))

    def ask(self, port: Any) -> None:
        port.send(b"g")

    def receive(self, port: Any) -> int:
        return len(port.receive())

    def receive_within(self, port: Any, seconds: float) -> None:
        with suppress(TimeoutError):
            port.receive(SIZE, timeout=seconds)

    def close(self, port: Any) -> None:
        port.close()

    def open_many(self, paths: list[str]) -> list[Any]:
        return [self.open(path) for path in paths]

    def close_many(self, ports: list[Any]) -> None:
        for port in ports:
            self.close(port)


class Pyserial(BlockingAnyserial):
    """pyserial, and what has its interface."""

    def __init__(self, module: str) -> None:
        self.library = import_module(module)

    def open(self, path: str) -> Any:
        port = self.library.Serial(path, BAUDRATE)
        if not port.is_open:  # serialx's is made closed
            port.open()
        return port

    def exchange(self, port: Any, count: int) -> None:
        for _ in range(count):
            port.write(MESSAGE)
            port.read(SIZE)

    def ask(self, port: Any) -> None:
        port.write(b"g")

    def receive(self, port: Any) -> int:
        return len(port.read(max(1, port.in_waiting)))

    def receive_within(self, port: Any, seconds: float) -> None:
        port.timeout = seconds
        port.read(SIZE)


class PyserialWithTimeout(Pyserial):
    """The same with a timeout for reading, as most programs have it."""

    def open(self, path: str) -> Any:
        return self.library.Serial(path, BAUDRATE, timeout=1)


class ManyPyserial(Pyserial):
    """pyserial with more ports than it can have by itself.

    It makes four pipes' ends for each port and waits in select(2), which takes no
    descriptor above 1023: some 200 ports. Here all ports share one set of pipes; each
    call does what it did.
    """

    PIPES = ("pipe_abort_read_r", "pipe_abort_read_w", "pipe_abort_write_r", "pipe_abort_write_w")

    def open_many(self, paths: list[str]) -> list[Any]:
        ports: list[Any] = []
        for path in paths:
            ports.append(self.open(path))
            for name in self.PIPES if len(ports) > 1 else ():
                os.close(getattr(ports[-1], name))
                setattr(ports[-1], name, getattr(ports[0], name))
        return ports

    def close_many(self, ports: list[Any]) -> None:
        for port in ports:
            for name in self.PIPES if port is not ports[0] else ():
                setattr(port, name, os.dup(0))  # it closes what it has
            self.close(port)


class Floor(BlockingAnyserial):
    """Three system calls, nothing else."""

    def __init__(self) -> None:
        self.library = os

    def open(self, path: str) -> Any:
        return os.open(path, os.O_RDWR | os.O_NOCTTY)

    def exchange(self, port: Any, count: int) -> None:
        poll = select.poll()
        poll.register(port, select.POLLIN)
        for _ in range(count):
            os.write(port, MESSAGE)
            poll.poll()
            os.read(port, SIZE)

    def ask(self, port: Any) -> None:
        os.write(port, b"g")

    def receive(self, port: Any) -> int:
        return len(os.read(port, 65536))

    def close(self, port: Any) -> None:
        os.close(port)


ASYNC: dict[str, Callable[[], Anyserial]] = {
    "anyserial": Anyserial,
    "anyserial.asyncio": lambda: Streams("anyserial.asyncio"),
    "serialx": lambda: Streams("serialx"),
    "pyserial-asyncio-fast": lambda: Streams("serial_asyncio_fast"),
    "aioserial": Aioserial,
    "bare": Bare,
    "anyio, TCP": Tcp,
}
BLOCKING: dict[str, Callable[[], BlockingAnyserial]] = {
    "anyserial": BlockingAnyserial,
    "serialx": lambda: Pyserial("serialx"),
    "pyserial": lambda: ManyPyserial("serial"),
    "pyserial, timeout=1": lambda: PyserialWithTimeout("serial"),
    "anyserial.pyserial": lambda: Pyserial("anyserial.pyserial"),
    "anyserial.pyserial, timeout=1": lambda: PyserialWithTimeout("anyserial.pyserial"),
    "bare": Floor,
}


def run(runtime: str, main: Callable[[], Awaitable[Any]]) -> Any:
    """Run *main* in the event loop of that name."""
    if runtime == "trio":
        return import_module("trio").run(main)
    factory = import_module("uvloop").new_event_loop if runtime == "uvloop" else None

    async def coroutine() -> Any:
        return await main()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(coroutine())


def all_at_once(runtime: str) -> Callable[[list[Callable[[], Awaitable[Any]]]], Awaitable[Any]]:
    """Return what runs coroutine functions side by side and waits for all of them."""
    if runtime == "trio":
        trio: Any = import_module("trio")

        async def nursed(calls: list[Callable[[], Awaitable[Any]]]) -> None:
            async with trio.open_nursery() as nursery:
                for call in calls:
                    nursery.start_soon(call)

        return nursed

    async def gathered(calls: list[Callable[[], Awaitable[Any]]]) -> None:
        await asyncio.gather(*(call() for call in calls))

    return gathered


def batches(count: str) -> Iterator[int]:
    """Give the repetitions to do; of "20+100", mark where the 100 begin and where they end."""
    first, marked, rest = count.partition("+")
    yield int(first)
    if marked:
        mark()
        yield int(rest)
        mark()


def mark() -> None:
    """End a copy of this process, so that cachegrind reports what was counted so far."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def round_trips(library: str, runtime: str, path: str, count: str) -> None:
    """Exchange COUNT messages, one after the other."""
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        port = blocking.open(path)
        for number in batches(count):
            blocking.exchange(port, number)
        blocking.close(port)
        return
    client = ASYNC[library]()

    async def main() -> None:
        port = await client.open(path)
        for number in batches(count):
            await client.exchange(port, number)
        await client.close(port)

    run(runtime, main)


class Conversation(asyncio.Protocol):
    """Exchanges so many messages with the far end, one after the other, in its callbacks."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.over: Any = None
        self.left = 0
        self.missing = SIZE

    def begin(self, count: int) -> "asyncio.Future[None]":
        """Exchange COUNT messages; return what is done when they are."""
        self.left = count
        self.over = asyncio.get_running_loop().create_future()
        self.transport.write(MESSAGE)
        return self.over  # type: ignore[no-any-return]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing:
            return
        self.missing = SIZE
        self.left -= 1
        if self.left:
            self.transport.write(MESSAGE)
        else:
            self.over.set_result(None)


def protocol_round_trips(library: str, runtime: str, path: str, count: str) -> None:
    """Exchange COUNT messages, one after the other, with an asyncio protocol."""
    client = ASYNC[library]()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        opened = client.library.create_serial_connection(loop, Conversation, url=path, baudrate=BAUDRATE)
        transport, conversation = await opened
        await asyncio.sleep(0)  # pyserial-asyncio-fast returns before `connection_made`
        for number in batches(count):
            await conversation.begin(number)
        transport.close()

    run(runtime, main)


def framed_lines(library: str, runtime: str, path: str, count: str) -> None:
    """Send a line and receive it, COUNT times, through FramedStream(port, Delimited)."""
    _lines(library, runtime, path, count, lines=1, framed=True)


def buffered_lines(library: str, runtime: str, path: str, count: str) -> None:
    """The same through AnyIO's BufferedByteStream.receive_until, or the blocking port's."""
    _lines(library, runtime, path, count, lines=1, framed=False)


def framed_bursts(library: str, runtime: str, path: str, count: str) -> None:
    """Send sixteen lines in one piece, and receive them one by one, through FramedStream."""
    _lines(library, runtime, path, count, lines=16, framed=True)


def buffered_bursts(library: str, runtime: str, path: str, count: str) -> None:
    """The same through BufferedByteStream, or the blocking port's."""
    _lines(library, runtime, path, count, lines=16, framed=False)


def _lines(library: str, runtime: str, path: str, count: str, *, lines: int, framed: bool) -> None:
    framing: Any = import_module("anyserial.framing")
    message = (MESSAGE + b"\n") * lines
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        port = blocking.open(path)
        stream: Any = blocking.library.FramedStream(port, framing.Delimited(b"\n")) if framed else None
        for number in batches(count):
            for _ in range(number):
                port.send(message)
                for _ in range(lines):
                    if framed:
                        stream.receive()
                    else:
                        port.receive_until(b"\n", 65536)
        blocking.close(port)
        return
    client = ASYNC[library]()
    buffered: Any = import_module("anyio.streams.buffered")

    async def main() -> None:
        port = await client.open(path)
        stream: Any = framing.FramedStream(port, framing.Delimited(b"\n")) if framed else None
        plain = buffered.BufferedByteStream(port)
        for number in batches(count):
            for _ in range(number):
                await port.send(message)
                for _ in range(lines):
                    if framed:
                        await stream.receive()
                    else:
                        await plain.receive_until(b"\n", 65536)
        await client.close(port)

    run(runtime, main)


def fan_out(library: str, runtime: str, paths: str, count: str) -> dict[str, float]:
    """Exchange COUNT messages on every port, all ports at once; return wall and CPU seconds."""
    ports = json.loads(paths)
    rounds = int(count)
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        opened = blocking.open_many(ports)
        start = threading.Barrier(len(ports) + 1)

        def serve(port: Any) -> None:
            try:
                blocking.exchange(port, 2)
            except BaseException:
                start.abort()
                raise
            start.wait()
            blocking.exchange(port, rounds)

        threads = [threading.Thread(target=serve, args=(port,)) for port in opened]
        for thread in threads:
            thread.start()
        start.wait()
        began, cpu = time.perf_counter(), time.process_time()
        for thread in threads:
            thread.join()
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        blocking.close_many(opened)
        return result
    client = ASYNC[library]()

    async def main() -> dict[str, float]:
        together = all_at_once(runtime)
        opened = [await client.open(path) for path in ports]

        def calls(times: int) -> list[Callable[[], Awaitable[None]]]:
            return [partial(client.exchange, port, times) for port in opened]

        await together(calls(2))
        began, cpu = time.perf_counter(), time.process_time()
        await together(calls(rounds))
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        for port in opened:
            await client.close(port)
        return result

    found: dict[str, float] = run(runtime, main)
    return found


def lockstep(library: str, runtime: str, paths: str, count: str) -> dict[str, float]:
    """COUNT times exchange one message on every port, all at once, and wait for all; return wall and CPU seconds."""
    ports = json.loads(paths)
    rounds = int(count)
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        opened = blocking.open_many(ports)
        step = threading.Barrier(len(ports) + 1)

        def serve(port: Any) -> None:
            try:
                for _ in range(rounds + 1):
                    step.wait()
                    blocking.exchange(port, 1)
                    step.wait()
            except BaseException:
                step.abort()
                raise

        threads = [threading.Thread(target=serve, args=(port,)) for port in opened]
        for thread in threads:
            thread.start()
        step.wait()
        step.wait()
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(2 * rounds):
            step.wait()
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        for thread in threads:
            thread.join()
        blocking.close_many(opened)
        return result
    client = ASYNC[library]()

    async def main() -> dict[str, float]:
        together = all_at_once(runtime)
        opened = [await client.open(path) for path in ports]
        calls: list[Callable[[], Awaitable[None]]] = [partial(client.exchange, port, 1) for port in opened]
        await together(calls)
        began, cpu = time.perf_counter(), time.process_time()
        for _ in range(rounds):
            await together(calls)
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        for port in opened:
            await client.close(port)
        return result

    found: dict[str, float] = run(runtime, main)
    return found


def bulk(library: str, runtime: str, path: str, total: str) -> dict[str, float]:
    """Receive TOTAL bytes; return wall and CPU seconds."""
    size = int(total)
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        port = blocking.open(path)
        began, cpu, received = time.perf_counter(), time.process_time(), 0
        blocking.ask(port)
        while received < size:
            received += blocking.receive(port)
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        blocking.close(port)
        return result
    client = ASYNC[library]()

    async def main() -> dict[str, float]:
        port = await client.open(path)
        began, cpu, received = time.perf_counter(), time.process_time(), 0
        await client.ask(port)
        while received < size:
            received += await client.receive(port)
        result = {"wall": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        await client.close(port)
        return result

    found: dict[str, float] = run(runtime, main)
    return found


def overshoot(library: str, runtime: str, path: str, count: str) -> list[float]:
    """Give up on a receive after 20 ms, COUNT times; return by how many seconds each was late."""
    limit = 0.02
    late: list[float] = []
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        port = blocking.open(path)
        for _ in range(int(count)):
            began = time.perf_counter()
            blocking.receive_within(port, limit)
            late.append(time.perf_counter() - began - limit)
        blocking.close(port)
        return late
    client = ASYNC[library]()

    async def main() -> None:
        port = await client.open(path)
        for _ in range(int(count)):
            began = time.perf_counter()
            await client.receive_within(port, limit)
            late.append(time.perf_counter() - began - limit)
        await client.close(port)

    run(runtime, main)
    return late


def cancellations(library: str, runtime: str, path: str, count: str) -> list[float]:
    """Cancel a receive that waits, COUNT times; return the seconds until its caller ran again.

    A blocking one can only be given up by its timeout, and that is included.
    """
    took: list[float] = []
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        port = blocking.open(path)
        for number in batches(count):
            for _ in range(number):
                began = time.perf_counter()
                blocking.receive_within(port, 0.002)
                took.append(time.perf_counter() - began)
        blocking.close(port)
        return took
    client = ASYNC[library]()

    began = 0.0

    def cancel(scope: Any) -> None:
        nonlocal began
        began = time.perf_counter()
        scope.cancel()

    async def cancelled_asyncio(port: Any) -> None:
        task: Any = asyncio.current_task()
        asyncio.get_running_loop().call_soon(cancel, task)  # once the receive waits
        with suppress(asyncio.CancelledError):
            await client.receive(port)
        task.uncancel()

    async def cancelled_trio(port: Any) -> None:
        trio: Any = import_module("trio")
        with trio.CancelScope() as scope:
            trio.lowlevel.current_trio_token().run_sync_soon(cancel, scope)
            await client.receive(port)

    async def main() -> None:
        cancelled = cancelled_trio if runtime == "trio" else cancelled_asyncio
        port = await client.open(path)
        for number in batches(count):
            for _ in range(number):
                await cancelled(port)
                took.append(time.perf_counter() - began)
        await client.close(port)

    run(runtime, main)
    return took


def cycles(library: str, runtime: str, path: str, count: str) -> float:
    """Open and close COUNT times; return seconds."""
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        blocking.close(blocking.open(path))
        began = time.perf_counter()
        for number in batches(count):
            for _ in range(number):
                blocking.close(blocking.open(path))
        return time.perf_counter() - began
    client = ASYNC[library]()

    async def main() -> float:
        await client.close(await client.open(path))
        began = time.perf_counter()
        for number in batches(count):
            for _ in range(number):
                await client.close(await client.open(path))
        return time.perf_counter() - began

    took: float = run(runtime, main)
    return took


def usage() -> dict[str, int]:
    """Return the bytes allocated and resident, the descriptors and the threads of this process."""
    gc.collect()
    allocated = tracemalloc.get_traced_memory()[0]
    with open("/proc/self/statm", encoding="ascii") as statm:
        pages = int(statm.read().split()[1])
    return {
        "allocated": allocated,
        "resident": pages * os.sysconf("SC_PAGE_SIZE"),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
    }


def memory(library: str, runtime: str, paths: str, first: str) -> dict[str, float]:
    """Open ports; return what each of those after the FIRST ones took."""
    tracemalloc.start()
    ports, few = json.loads(paths), int(first)
    many = len(ports) - few
    if runtime == "blocking":
        blocking = BLOCKING[library]()
        opened = [blocking.open(path) for path in ports[:few]]
        before = usage()
        opened += [blocking.open(path) for path in ports[few:]]
        after = usage()
        for port in opened:
            blocking.close(port)
        return {name: (after[name] - before[name]) / many for name in before}
    client = ASYNC[library]()

    async def main() -> dict[str, float]:
        opened = [await client.open(path) for path in ports[:few]]
        before = usage()
        opened += [await client.open(path) for path in ports[few:]]
        after = usage()
        for port in opened:
            await client.close(port)
        return {name: (after[name] - before[name]) / many for name in before}

    found: dict[str, float] = run(runtime, main)
    return found


TASKS: dict[str, Callable[[str, str, str, str], Any]] = {
    task.__name__: task
    for task in (
        round_trips,
        protocol_round_trips,
        framed_lines,
        buffered_lines,
        framed_bursts,
        buffered_bursts,
        fan_out,
        lockstep,
        bulk,
        overshoot,
        cancellations,
        cycles,
        memory,
    )
}


def main() -> None:
    """Do one task."""
    library, runtime, task, *arguments = sys.argv[1:]
    print(json.dumps(TASKS[task](library, runtime, *arguments)))


if __name__ == "__main__":
    main()
