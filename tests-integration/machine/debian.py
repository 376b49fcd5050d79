"""What the machine is made of: Debian's QEMU, kernels and the guest's tools, fetched once and kept.

Packages for the guest are unpacked into a cache, never installed; QEMU and a C compiler are
installed where they are missing. What is built from them is image.py's.
"""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ("CACHE", "KERNELS", "MachineError", "install_programs", "kernel", "tools")

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anyserial-machine"
# The version that is spoken of, and the package that depends on Debian's newest build of it.
KERNELS = {"6.1": "linux-image-amd64", "6.12": "linux-image-6.12-amd64"}
GUEST_TOOLS = ("busybox-static", "kmod", "libkmod2", "udev")
PROGRAMS = {"qemu-system-x86_64": ("qemu-system-x86",), "cc": ("gcc", "libc6-dev")}


class MachineError(Exception):
    """The machine cannot be had or did not do its work; the message says what to do."""


def run(*command: str | Path, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise MachineError(f"{' '.join(map(str, command))} ended with {done.returncode}: {said[-2000:]}")
    return done.stdout


def install_programs() -> None:
    """Install QEMU and a C compiler where there is none.

    Raises:
        MachineError: This system is none that the machine can be made on, or the installation failed.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        here = f"{platform.machine()} {sys.platform}"
        raise MachineError(f"the guest runs the host's own programs on an x86-64 Linux, and this is {here}")
    wanted = [package for program, packages in PROGRAMS.items() if not shutil.which(program) for package in packages]
    if not wanted:
        return
    say = f"the machine needs {', '.join(wanted)}: apt-get install --no-install-recommends {' '.join(wanted)}"
    if not shutil.which("apt-get"):
        raise MachineError(say)
    print(f"machine: installing {' '.join(wanted)}", flush=True)
    _update()
    try:
        run(*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive",
            "apt-get", "install", "-y", "--no-install-recommends", *wanted)  # fmt: skip
    except MachineError as error:
        raise MachineError(f"{say} ({error})") from error


def tools() -> Path:
    """Return the folder of what the guest has beside the host's own files: busybox, kmod, udev."""
    folder = CACHE / "tools"
    if not folder.exists():
        _unpack(folder, GUEST_TOOLS)
    return folder


def kernel(version: str) -> Path:
    """Return the folder of a kernel: boot/vmlinuz-RELEASE and lib/modules/RELEASE, with its dependencies listed."""
    folder = CACHE / f"kernel-{version}"
    if not folder.exists():
        _update()
        depends = run("apt-cache", "depends", "--important", KERNELS[version]).split()
        images = [word for word in depends if word.startswith("linux-image-")][1:]
        if not images:
            raise MachineError(f"Debian's {KERNELS[version]} is not available here; --kernel chooses another")
        unpacked = CACHE / f"kernel-{version}.new"
        _unpack(unpacked, images[:1])
        (unpacked / "lib").mkdir(exist_ok=True)
        if not (unpacked / "lib/modules").exists():
            (unpacked / "usr/lib/modules").rename(unpacked / "lib/modules")
        release = next((unpacked / "lib/modules").iterdir()).name
        kmod("depmod", "-b", unpacked, "-F", unpacked / f"boot/System.map-{release}", release)
        unpacked.rename(folder)
    return folder


def kmod(name: str, *arguments: str | Path) -> str:
    """Run one of kmod's commands from the unpacked package, and return what it printed."""
    program = tools() / "usr/bin" / name
    if not program.exists():
        program.symlink_to("kmod")
    libraries = next((tools() / "usr/lib").glob("*/libkmod.so.2")).parent
    return run(program, *arguments, environment={"LD_LIBRARY_PATH": str(libraries)})


def _as_root() -> Sequence[str]:
    return () if os.geteuid() == 0 else ("sudo", "-n")


@cache
def _update() -> None:
    if not shutil.which("apt-get"):
        raise MachineError("the machine is made of Debian's packages, and this system has no apt-get")
    try:
        run(*_as_root(), "apt-get", "update")
    except MachineError as error:
        print(f"machine: going on with the package lists that are here ({error})", flush=True)


def _unpack(folder: Path, packages: Sequence[str]) -> None:
    """Unpack packages into a folder, all or nothing, with /usr merged as the host has it."""
    print(f"machine: fetching {' '.join(packages)}", flush=True)
    _update()
    archives, unpacked = folder.with_suffix(".debs"), folder.with_suffix(".unpacked")
    for path in (archives, unpacked):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
    run("apt-get", "download", "-o", "APT::Sandbox::User=root", *packages, cwd=archives)
    for archive in sorted(archives.iterdir()):
        run("dpkg-deb", "-x", archive, unpacked)
    # The guest's root is this folder over the host's: a real /lib here would hide the host's link.
    for part in ("bin", "sbin", "lib"):
        if (unpacked / part).is_dir():
            shutil.copytree(unpacked / part, unpacked / "usr" / part, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(unpacked / part)
    shutil.rmtree(archives)
    unpacked.rename(folder)
