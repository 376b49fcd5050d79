"""The calls to IOKit: their declarations against the C headers, and the walk over libraries that a test plays."""

import ctypes
import re
from collections import Counter
from typing import Any

import pytest
from anyserial_discovery._iokit import PROTOTYPES, Entry, Registry, Service

# As IOKit/IOKitLib.h and CoreFoundation's CFBase.h, CFString.h and CFNumber.h declare them.
HEADERS = {
    "IOKit": """
        kern_return_t IOServiceGetMatchingServices(mach_port_t mainPort, CFDictionaryRef matching,
                                                   io_iterator_t *existing);
        CFMutableDictionaryRef IOServiceMatching(const char *name);
        io_object_t IOIteratorNext(io_iterator_t iterator);
        kern_return_t IOObjectRelease(io_object_t object);
        boolean_t IOObjectConformsTo(io_object_t object, const io_name_t className);
        kern_return_t IOObjectGetClass(io_object_t object, io_name_t className);
        kern_return_t IORegistryEntryGetParentEntry(io_registry_entry_t entry, const io_name_t plane,
                                                    io_registry_entry_t *parent);
        CFTypeRef IORegistryEntryCreateCFProperty(io_registry_entry_t entry, CFStringRef key,
                                                  CFAllocatorRef allocator, IOOptionBits options);
    """,
    "CoreFoundation": """
        void CFRelease(CFTypeRef cf);
        CFTypeID CFGetTypeID(CFTypeRef cf);
        CFTypeID CFStringGetTypeID(void);
        CFTypeID CFNumberGetTypeID(void);
        CFStringRef CFStringCreateWithCString(CFAllocatorRef alloc, const char *cStr, CFStringEncoding encoding);
        Boolean CFStringGetCString(CFStringRef theString, char *buffer, CFIndex bufferSize,
                                   CFStringEncoding encoding);
        CFIndex CFStringGetLength(CFStringRef theString);
        CFIndex CFStringGetMaximumSizeForEncoding(CFIndex length, CFStringEncoding encoding);
        Boolean CFNumberGetValue(CFNumberRef number, CFNumberType theType, void *valuePtr);
    """,
}

# What the C types are on 64-bit macOS: size in bytes, and whether signed; None is a pointer.
C_TYPES: dict[str, tuple[int, bool] | None] = {
    "Boolean": (1, False),
    "CFIndex": (8, True),
    "CFNumberType": (8, True),
    "CFStringEncoding": (4, False),
    "CFTypeID": (8, False),
    "IOOptionBits": (4, False),
    # int on arm64, unsigned int on x86-64; only 0 and 1 are ever returned.
    "boolean_t": (4, True),
    "io_iterator_t": (4, False),
    "io_object_t": (4, False),
    "io_registry_entry_t": (4, False),
    "kern_return_t": (4, True),
    "mach_port_t": (4, False),
    "CFAllocatorRef": None,
    "CFDictionaryRef": None,
    "CFMutableDictionaryRef": None,
    "CFNumberRef": None,
    "CFStringRef": None,
    "CFTypeRef": None,
    # char[128], which a call passes as a pointer.
    "io_name_t": None,
}


def c_kind(declaration: str) -> tuple[int, bool] | str | None:
    words = declaration.replace("const ", "").split()
    if words[0] == "void" and "*" not in declaration:
        return "void"
    return None if "*" in declaration else C_TYPES[words[0]]


def ctypes_kind(kind: Any) -> tuple[int, bool] | str | None:
    if kind is None:
        return "void"
    if kind in {ctypes.c_void_p, ctypes.c_char_p} or hasattr(kind, "contents"):
        return None
    return ctypes.sizeof(kind), kind(-1).value == -1


def declared() -> list[tuple[str, str, str, list[str]]]:
    found: list[tuple[str, str, str, list[str]]] = []
    for library, text in HEADERS.items():
        for result, name, arguments in re.findall(r"(\w+) (\w+)\(([^)]*)\);", " ".join(text.split())):
            found.append((library, result, name, [] if arguments == "void" else arguments.split(", ")))
    return found


@pytest.mark.parametrize(("library", "result", "name", "arguments"), declared())
def test_a_declaration_is_the_headers(library: str, result: str, name: str, arguments: list[str]) -> None:
    restype, argtypes = PROTOTYPES[library][name]
    assert ctypes_kind(restype) == c_kind(result)
    assert [ctypes_kind(kind) for kind in argtypes] == [c_kind(argument) for argument in arguments]


def test_every_declaration_is_checked() -> None:
    assert {(library, name) for library, _, name, _ in declared()} == {
        (library, name) for library, functions in PROTOTYPES.items() for name in functions
    }


class Function:
    """A C function: takes what its declaration takes, and only once it is declared."""

    def __init__(self, call: Any) -> None:
        self.call = call
        self.restype: Any = "undeclared"
        self.argtypes: Any = None

    def __call__(self, *arguments: Any) -> Any:
        assert self.restype != "undeclared"
        assert len(arguments) == len(self.argtypes)
        for argument, kind in zip(arguments, self.argtypes, strict=True):
            kind.from_param(argument)
        return self.call(*arguments)


class Mac:
    """Both libraries over a registry of plain objects; it counts what is held."""

    def __init__(self, services: list[Any], families: dict[str, set[str]], *, result: int = 0) -> None:
        self.families = families
        self.result = result
        # Handles: entries are small, references are as large as pointers are.
        self.objects: dict[int, Any] = {}
        self.held: Counter[int] = Counter()
        self.queue = list(services)
        self.functions: dict[str, Function] = {}
        for names in PROTOTYPES.values():
            for name in names:
                self.functions[name] = Function(getattr(self, name))

    def library(self, name: str) -> Any:
        return type(name, (), {function: self.functions[function] for function in PROTOTYPES[name]})()

    def give(self, value: Any, base: int) -> int:
        handle = base + len(self.objects)
        self.objects[handle] = value
        self.held[handle] += 1
        return handle

    def IOServiceMatching(self, name: bytes) -> int:  # noqa: N802
        return self.give(name, 0x7FFF_0000_0000)

    def IOServiceGetMatchingServices(self, port: int, matching: int, existing: Any) -> int:  # noqa: N802
        assert (port, self.objects[matching]) == (0, b"IOSerialBSDClient")
        self.held[matching] -= 1
        if not self.result:
            existing._obj.value = self.give("iterator", 100)
        return self.result

    def IOIteratorNext(self, iterator: Any) -> int:  # noqa: N802
        assert self.held[iterator.value] == 1
        return self.give(self.queue.pop(0), 100) if self.queue else 0

    def IOObjectRelease(self, handle: int) -> int:  # noqa: N802
        self.held[handle] -= 1
        return 0

    def IOObjectConformsTo(self, handle: int, family: bytes) -> int:  # noqa: N802
        assert self.held[handle] == 1
        return int(family.decode() in self.families.get(self.objects[handle]["class"], set()))

    def IOObjectGetClass(self, handle: int, buffer: Any) -> int:  # noqa: N802
        buffer.value = self.objects[handle]["class"].encode()
        return 0

    def IORegistryEntryGetParentEntry(self, handle: int, plane: bytes, parent: Any) -> int:  # noqa: N802
        assert (plane, self.held[handle]) == (b"IOService", 1)
        above = self.objects[handle].get("parent")
        if above is None:
            return -1
        parent._obj.value = self.give(above, 100)
        return 0

    def IORegistryEntryCreateCFProperty(  # noqa: N802
        self, handle: int, key: int, allocator: None, options: int
    ) -> int | None:
        value = self.objects[handle].get(self.objects[key])
        return None if value is None else self.give(value, 0x7FFF_0000_0000)

    def CFStringCreateWithCString(self, allocator: None, text: bytes, encoding: int) -> int:  # noqa: N802
        return self.give(text.decode(), 0x7FFF_0000_0000)

    def CFRelease(self, handle: int) -> None:  # noqa: N802
        self.held[handle] -= 1

    def CFGetTypeID(self, handle: int) -> int:  # noqa: N802
        value = self.objects[handle]
        return 7 if isinstance(value, str) else 22 if isinstance(value, int) else 1

    def CFStringGetTypeID(self) -> int:  # noqa: N802
        return 7

    def CFNumberGetTypeID(self) -> int:  # noqa: N802
        return 22

    def CFStringGetLength(self, handle: int) -> int:  # noqa: N802
        return len(self.objects[handle])

    def CFStringGetMaximumSizeForEncoding(self, length: int, encoding: int) -> int:  # noqa: N802
        assert encoding == 0x08000100
        return length * 3

    def CFStringGetCString(self, handle: int, buffer: Any, size: int, encoding: int) -> int:  # noqa: N802
        data = self.objects[handle].encode()
        if len(data) >= size:
            return 0
        buffer.value = data
        return 1

    def CFNumberGetValue(self, handle: int, kind: int, place: Any) -> int:  # noqa: N802
        assert kind == 4
        place._obj.value = self.objects[handle]
        return 1


FAMILIES = {"IOUSBHostDevice": {"IOUSBHostDevice"}, "IOUSBHostInterface": {"IOUSBHostInterface"}}
ADAPTER: dict[str, Any] = {
    "class": "IOUSBHostDevice",
    "idVendor": 0x0403,
    "idProduct": 0x6001,
    "locationID": 0x14120000,
    "USB Serial Number": "A50285BI",
    "USB Vendor Name": "FTDI ",
    "USB Product Name": "M\u00fcller",
    "bcdDevice": b"data",
    "parent": {"class": "AppleUSBXHCI", "idVendor": 1, "parent": {"class": "IORegistryEntry"}},
}
INTERFACE: dict[str, Any] = {"class": "IOUSBHostInterface", "bInterfaceNumber": 0, "parent": ADAPTER}
SERVICE: dict[str, Any] = {
    "class": "IOSerialBSDClient",
    "IOCalloutDevice": "/dev/cu.usbserial-A50285BI",
    "IODialinDevice": "/dev/tty.usbserial-A50285BI",
    "IOTTYDevice": b"not a string",
    "parent": {"class": "AppleUSBFTDI", "parent": INTERFACE},
}
READ = Service(
    {"IOCalloutDevice": "/dev/cu.usbserial-A50285BI", "IODialinDevice": "/dev/tty.usbserial-A50285BI"},
    [
        Entry("AppleUSBFTDI"),
        Entry("IOUSBHostInterface", frozenset({"IOUSBHostInterface"}), {"bInterfaceNumber": 0}),
        Entry(
            "IOUSBHostDevice",
            frozenset({"IOUSBHostDevice"}),
            {
                "idVendor": 0x0403,
                "idProduct": 0x6001,
                "locationID": 0x14120000,
                "USB Serial Number": "A50285BI",
                "USB Vendor Name": "FTDI",
                "USB Product Name": "M\u00fcller",
            },
        ),
        Entry("AppleUSBXHCI"),
        Entry("IORegistryEntry"),
    ],
)


def registry(mac: Mac) -> Registry:
    return Registry(mac.library("IOKit"), mac.library("CoreFoundation"))


def test_the_walk_reads_everything_and_releases_what_it_was_given() -> None:
    mac = Mac([SERVICE, {"class": "IOSerialBSDClient"}], FAMILIES)
    assert registry(mac).services() == [READ, Service({}, [])]
    assert len(mac.held) > 20
    assert {handle: mac.objects[handle] for handle, count in mac.held.items() if count} == {}


def test_a_registry_that_refuses_is_an_error() -> None:
    mac = Mac([], {}, result=-536870206)
    with pytest.raises(OSError, match="0xe00002c2"):
        registry(mac).services()


def test_a_registry_that_goes_round_in_circles_ends() -> None:
    ring: dict[str, Any] = {"class": "Ring"}
    ring["parent"] = ring
    mac = Mac([ring], {})
    (service,) = registry(mac).services()
    assert 20 < len(service.parents) < 1000
    assert not any(mac.held.values())
