"""One virtual machine: QEMU with two UARTs in a null modem, running one command on the host's file system.

No hardware virtualisation is asked for. Under ``-icount`` the guest's clock goes by the
instructions it has run, one in 2 ns, so that what the guest times is the same on a fast, a slow
and a busy host: what a processor of 500 MIPS takes.
What runs in the guest is not this module's business.
"""

import os
import shlex
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

from debian import CACHE, MachineError, tools
from image import HERE, initramfs, modules, preload, vmlinuz

__all__ = ("run_command",)

BOOT_WORDS = (
    "console=ttyS0 quiet panic=-1 reboot=t mitigations=off nowatchdog cryptomgr.notests random.trust_cpu=on "
    "audit=0 apparmor=0 selinux=0 tsc=reliable no_timer_check"
)
MEMORY = 1536  # MiB, of which what the guest writes may take 60 %
# Room for a few bytes on the wire: a receiver that does not take them stops the sender soon.
WIRE = 4096
UART_SLOTS = ("0x10", "0x11")  # on the PCI bus; support/uart_links.py looks for them there
# What the kernel says when something is wrong with it.
COMPLAINTS = ("BUG:", "Oops", "WARNING:", "Kernel panic", "hung_task", "rcu_", "Call Trace")


def run_command(
    version: str,
    command: Sequence[str],
    *,
    folder: Path,
    environment: dict[str, str],
    timeout: float,
    say: Callable[[str], None],
) -> int:
    """Boot a kernel, run *command* as root in *folder*, and return its status.

    Args:
        version: One of `debian.KERNELS`.
        command: The program and its arguments, on the host's file system; what it writes there is lost.
        folder: Its working directory.
        environment: Its environment.
        timeout: Seconds for everything, boot included.
        say: Called with each line that the command prints.

    Raises:
        MachineError: The machine ended before its command did, or was out of time.
    """
    with tempfile.TemporaryDirectory(prefix="run-", dir=CACHE) as name:
        run = Path(name)
        exports = "".join(f"export {key}={shlex.quote(value)}\n" for key, value in environment.items())
        (run / "job").write_text(f"{exports}cd {shlex.quote(str(folder))} || exit\nexec {shlex.join(command)}\n")
        console = run / "console.log"
        status = _run_qemu(version, run / "job", console, timeout, say)
        said = console.read_text(errors="replace").splitlines() if console.exists() else []
    for line in said:
        if any(complaint in line for complaint in COMPLAINTS):
            say(f"(kernel) {line}")
    if status is None:
        raise MachineError("\n  ".join([f"{version}: no end after {timeout:g} s; its console:", *said[-20:]]))
    if status % 2 == 0:
        raise MachineError(
            "\n  ".join([f"{version}: QEMU ended with {status}, before its command; its console:", *said[-20:]])
        )
    return status >> 1


def _run_qemu(version: str, job: Path, console: Path, timeout: float, say: Callable[[str], None]) -> int | None:
    """Run QEMU to its end and return its exit status, None if it had to be killed."""
    wire = socket.socketpair()
    for end in wire:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, WIRE)
    inherited = [end.fileno() for end in wire]
    with wire[0], wire[1]:
        process = subprocess.Popen(
            _command(version, job, console, inherited),
            env={
                **os.environ,
                "LD_PRELOAD": str(preload()),
                "UART_INODES": ",".join(str(os.fstat(end.fileno()).st_ino) for end in wire),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=inherited,
        )
    out_of_time = threading.Event()

    def give_up() -> None:
        out_of_time.set()
        process.kill()

    timer = threading.Timer(timeout, give_up)
    timer.start()
    try:
        with process, process.stdout or nullcontext(()) as lines:
            for line in lines:
                say(line.rstrip("\r\n"))
    except BaseException:
        process.kill()
        raise
    finally:
        timer.cancel()
    return None if out_of_time.is_set() else process.returncode


def _command(version: str, job: Path, console: Path, wire: Sequence[int]) -> list[str]:
    """QEMU's command line."""
    words = {"modules": modules(version), "start": HERE / "guest/start", "job": job}
    append = " ".join([BOOT_WORDS, *(f"machine.{name}={value}" for name, value in words.items())])
    command = [
        *("setpriv", "--pdeathsig", "KILL"),  # it ends with the thread that waits for it
        "qemu-system-x86_64",
        *["-M", "pc,accel=tcg,usb=off,vmport=off,hpet=off", "-cpu", "max", "-smp", "1", "-icount", "shift=1"],
        *["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", "base=utc"],
        *("-m", str(MEMORY), "-kernel", str(vmlinuz(version)), "-initrd", str(initramfs(version)), "-append", append),
        *_shared("host", Path("/")),
        *_shared("tools", tools()),
        *("-device", "virtio-rng-pci", "-device", "virtio-serial-pci", "-device", "isa-debug-exit,iobase=0xf4"),
        *("-chardev", f"file,id=console,path={console}", "-device", "isa-serial,chardev=console"),
        *("-chardev", "file,id=output,path=/dev/stdout", "-device", "virtserialport,chardev=output,name=output"),
    ]
    for number, fd in enumerate(wire):
        # The "serial" chardev and not the socket one: only it has modem lines and breaks.
        command += ["-add-fd", f"fd={fd},set={number}", "-chardev", f"serial,id=uart{number},path=/dev/fdset/{number}"]
        command += ["-device", f"pci-serial,chardev=uart{number},addr={UART_SLOTS[number]}"]
    return command


def _shared(name: str, folder: Path) -> Sequence[str]:
    """Share a folder of the host, read-only."""
    return (
        *("-fsdev", f"local,id={name},path={folder},security_model=none,readonly=on,multidevs=remap"),
        *("-device", f"virtio-9p-pci,fsdev={name},mount_tag={name}"),
    )
