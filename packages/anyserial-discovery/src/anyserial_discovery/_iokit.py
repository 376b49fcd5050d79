"""The I/O Registry of macOS: what serial services there are and what they stand on.

The only module that calls IOKit and CoreFoundation, by ctypes. `Registry` turns what
they say into plain values (`Service`) and releases every object it was given; what the
values mean is `_darwin`'s business. The functions are declared in `PROTOTYPES`, as
``IOKitLib.h``, ``CFBase.h``, ``CFString.h`` and ``CFNumber.h`` have them: a function
without a declared result would have its pointers cut to 32 bits.
"""

import ctypes
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ("PROTOTYPES", "Entry", "Registry", "Service")

type Value = str | int

_boolean_t = ctypes.c_int
_Boolean = ctypes.c_ubyte
_CFIndex = ctypes.c_long
_CFStringEncoding = ctypes.c_uint32
_CFTypeID = ctypes.c_ulong
_CFTypeRef = ctypes.c_void_p
_IOOptionBits = ctypes.c_uint32
_io_object_t = ctypes.c_uint32
_kern_return_t = ctypes.c_int
_text = ctypes.c_char_p

PROTOTYPES: dict[str, dict[str, tuple[Any, tuple[Any, ...]]]] = {
    "IOKit": {
        "IOIteratorNext": (_io_object_t, (_io_object_t,)),
        "IOObjectConformsTo": (_boolean_t, (_io_object_t, _text)),
        "IOObjectGetClass": (_kern_return_t, (_io_object_t, _text)),
        "IOObjectRelease": (_kern_return_t, (_io_object_t,)),
        "IORegistryEntryCreateCFProperty": (_CFTypeRef, (_io_object_t, _CFTypeRef, _CFTypeRef, _IOOptionBits)),
        "IORegistryEntryGetParentEntry": (
            _kern_return_t,
            (_io_object_t, _text, ctypes.POINTER(_io_object_t)),
        ),
        "IOServiceGetMatchingServices": (
            _kern_return_t,
            (ctypes.c_uint32, _CFTypeRef, ctypes.POINTER(_io_object_t)),
        ),
        "IOServiceMatching": (_CFTypeRef, (_text,)),
    },
    "CoreFoundation": {
        "CFGetTypeID": (_CFTypeID, (_CFTypeRef,)),
        "CFNumberGetTypeID": (_CFTypeID, ()),
        "CFNumberGetValue": (_Boolean, (_CFTypeRef, _CFIndex, ctypes.c_void_p)),
        "CFRelease": (None, (_CFTypeRef,)),
        "CFStringCreateWithCString": (_CFTypeRef, (_CFTypeRef, _text, _CFStringEncoding)),
        "CFStringGetCString": (_Boolean, (_CFTypeRef, _text, _CFIndex, _CFStringEncoding)),
        "CFStringGetLength": (_CFIndex, (_CFTypeRef,)),
        "CFStringGetMaximumSizeForEncoding": (_CFIndex, (_CFIndex, _CFStringEncoding)),
        "CFStringGetTypeID": (_CFTypeID, ()),
    },
}

_UTF8 = 0x08000100  # kCFStringEncodingUTF8
_SINT64 = 4  # kCFNumberSInt64Type
_IO_NAME_SIZE = 128  # io_name_t
_MAIN_PORT = 0  # kIOMainPortDefault is MACH_PORT_NULL
_SERIAL = b"IOSerialBSDClient"
_PLANE = b"IOService"
# A registry is some twenty levels deep; a damaged one must not keep the walk for ever.
_MAX_DEPTH = 64

_SERVICE_KEYS = ("IOCalloutDevice", "IODialinDevice", "IOTTYDevice")
_ENTRY_KEYS = (
    "idVendor",
    "idProduct",
    "locationID",
    "USB Serial Number",
    "kUSBSerialNumberString",
    "USB Vendor Name",
    "kUSBVendorString",
    "USB Product Name",
    "kUSBProductString",
    "bInterfaceNumber",
    "USB Interface Name",
    "kUSBString",
)
_FAMILIES = ("IOUSBHostDevice", "IOUSBDevice", "IOUSBHostInterface", "IOUSBInterface", "IOPCIDevice")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry above a service: its class, the families it belongs to and its properties."""

    class_name: str
    families: frozenset[str] = frozenset()
    properties: dict[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, slots=True)
class Service:
    """One serial service: its own properties, and what is above it, nearest first."""

    properties: dict[str, Value]
    parents: list[Entry]


class Registry:
    """The running registry.

    Args:
        iokit: The library; None loads the framework.
        foundation: The library; None loads the framework.

    Raises:
        OSError: A framework cannot be loaded.
    """

    __slots__ = ("_cf", "_io")

    def __init__(self, iokit: Any = None, foundation: Any = None) -> None:
        self._io = _declare("IOKit", iokit)
        self._cf = _declare("CoreFoundation", foundation)

    def services(self) -> list[Service]:
        """Return every serial service there is now.

        Raises:
            OSError: The registry refuses to be searched.
        """
        iterator = _io_object_t()
        # IOServiceGetMatchingServices consumes the dictionary.
        result = self._io.IOServiceGetMatchingServices(
            _MAIN_PORT, self._io.IOServiceMatching(_SERIAL), ctypes.byref(iterator)
        )
        if result != 0:
            raise OSError(f"IOServiceGetMatchingServices failed ({result & 0xFFFFFFFF:#x})")
        found: list[Service] = []
        with self._held(iterator.value):
            while service := self._io.IOIteratorNext(iterator):
                with self._held(service):
                    found.append(Service(self._properties(service, _SERVICE_KEYS), self._parents(service)))
        return found

    @contextmanager
    def _held(self, entry: int) -> Generator[None]:
        try:
            yield
        finally:
            self._io.IOObjectRelease(entry)

    def _parents(self, service: int) -> list[Entry]:
        entries: list[Entry] = []
        held: list[int] = []
        try:
            entry = service
            for _ in range(_MAX_DEPTH):
                parent = _io_object_t()
                if self._io.IORegistryEntryGetParentEntry(entry, _PLANE, ctypes.byref(parent)) != 0:
                    break
                entry = parent.value
                held.append(entry)
                entries.append(self._entry(entry))
        finally:
            for entry in held:
                self._io.IOObjectRelease(entry)
        return entries

    def _entry(self, entry: int) -> Entry:
        name = ctypes.create_string_buffer(_IO_NAME_SIZE)
        self._io.IOObjectGetClass(entry, name)
        families = frozenset(
            family for family in _FAMILIES if self._io.IOObjectConformsTo(entry, family.encode("ascii"))
        )
        # Properties of what is not a USB device say nothing about the port.
        keys = _ENTRY_KEYS if families - {"IOPCIDevice"} else ()
        return Entry(name.value.decode("utf-8", "replace"), families, self._properties(entry, keys))

    def _properties(self, entry: int, keys: tuple[str, ...]) -> dict[str, Value]:
        return {key: value for key in keys if (value := self._property(entry, key)) is not None}

    def _property(self, entry: int, key: str) -> Value | None:
        name = self._cf.CFStringCreateWithCString(None, key.encode("utf-8"), _UTF8)
        if not name:
            return None
        try:
            reference = self._io.IORegistryEntryCreateCFProperty(entry, name, None, 0)
        finally:
            self._cf.CFRelease(name)
        if not reference:
            return None
        try:
            return self._value(reference)
        finally:
            self._cf.CFRelease(reference)

    def _value(self, reference: int) -> Value | None:
        kind = self._cf.CFGetTypeID(reference)
        if kind == self._cf.CFStringGetTypeID():
            size = self._cf.CFStringGetMaximumSizeForEncoding(self._cf.CFStringGetLength(reference), _UTF8) + 1
            buffer = ctypes.create_string_buffer(size)
            if not self._cf.CFStringGetCString(reference, buffer, size, _UTF8):
                return None
            return buffer.value.decode("utf-8", "replace").strip() or None
        if kind == self._cf.CFNumberGetTypeID():
            number = ctypes.c_int64()
            if not self._cf.CFNumberGetValue(reference, _SINT64, ctypes.byref(number)):
                return None
            return number.value
        return None


def _declare(name: str, library: Any) -> Any:
    if library is None:
        library = ctypes.CDLL(f"/System/Library/Frameworks/{name}.framework/{name}")
    for function, (result, arguments) in PROTOTYPES[name].items():
        getattr(library, function).restype = result
        getattr(library, function).argtypes = arguments
    return library
