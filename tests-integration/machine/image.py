"""What QEMU is started with: the initramfs of a kernel, from Debian's packages, and what is preloaded into QEMU.

Both are kept in the cache and built again when their source here is newer.
"""

import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path

from debian import CACHE, MachineError, kernel, kmod, run, tools

__all__ = ("HERE", "initramfs", "preload", "vmlinuz")

HERE = Path(__file__).resolve().parent
# What is needed before the host's file system is there; everything else is loaded from it.
EARLY_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")


def vmlinuz(version: str) -> Path:
    """Return the kernel itself."""
    return next((kernel(version) / "boot").glob("vmlinuz-*"))


def modules(version: str) -> Path:
    """Return the folder of a kernel's modules."""
    return next((kernel(version) / "lib/modules").iterdir())


def preload() -> Path:
    """Return the library that is preloaded into QEMU, made of all C files here."""
    sources, library = sorted(HERE.glob("*.c")), CACHE / "preload.so"
    if not _is_current(library, *sources):
        run("cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", library.with_suffix(".new"), *sources, "-ldl")
        library.with_suffix(".new").rename(library)
    return library


def initramfs(version: str) -> Path:
    """Return the archive of a kernel's first files: busybox, guest/init and the early modules."""
    init, archive = HERE / "guest/init", CACHE / f"initramfs-{version}"
    if _is_current(archive, init, kernel(version)):
        return archive
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        tree = Path(name)
        for folder in ("bin", "dev", "proc", "sys", "host", "tools", "rw", "new", "modules"):
            (tree / folder).mkdir()
        shutil.copy(tools() / "usr/bin/busybox", tree / "bin")
        shutil.copy(init, tree / "init")
        (tree / "init").chmod(0o755)
        order = [_add_module(path, tree / "modules") for path in _early_modules(version)]
        (tree / "modules/order").write_text("".join(f"{module}\n" for module in order))
        names = "".join(f"{path.relative_to(tree)}\n" for path in sorted(tree.rglob("*")))
        with archive.with_suffix(".new").open("wb") as file:
            subprocess.run(
                [tools() / "usr/bin/busybox", "cpio", "-o", "-H", "newc", "-R", "0:0"],
                cwd=tree, input=names.encode(), stdout=file, stderr=subprocess.DEVNULL, check=True,
            )  # fmt: skip
    archive.with_suffix(".new").rename(archive)
    return archive


def _early_modules(version: str) -> list[Path]:
    """The early modules in the order in which they can be loaded."""
    steps = kmod("modprobe", "-d", kernel(version), "-S", modules(version).name, "-a", "-D", *EARLY_MODULES)
    lines = [line.split() for line in steps.splitlines()]
    return list(dict.fromkeys(Path(words[1]) for words in lines if words[0] == "insmod"))


def _add_module(path: Path, folder: Path) -> str:
    data = path.read_bytes()
    name = path.name
    if path.suffix == ".xz":
        data, name = lzma.decompress(data), path.stem
    elif path.suffix != ".ko":
        raise MachineError(f"a module compressed in a way that is not known here: {path}")
    (folder / name).write_bytes(data)
    return name


def _is_current(built: Path, *sources: Path) -> bool:
    return built.exists() and all(built.stat().st_mtime >= source.stat().st_mtime for source in sources)
