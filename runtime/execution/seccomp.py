"""The system calls that a sandbox refuses: ways around its namespaces, as a filter for the kernel.

Namespaces leave some doors open: virtual machine sockets know no network namespace,
keyrings are inherited, io_uring opens sockets that no filter sees, and a user namespace
of one's own gives back the rights that were dropped. The rest is allowed.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Mapping
from typing import NamedTuple

# Of linux/filter.h, linux/seccomp.h, linux/audit.h and linux/sched.h.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERROR = 0x7FFF0000, 0x00050000
_CLONE_NEWUSER = 0x10000000
_X32 = 0x40000000
_FAMILIES = (1, 2, 10, 16)
"""Sockets that stay inside: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK."""

_X86 = {
    "socket": 41, "clone": 56, "ptrace": 101, "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272,
    "perf_event_open": 298, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "userfaultfd": 323,
}  # fmt: skip
_GENERIC = {
    "unshare": 97, "ptrace": 117, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220,
    "perf_event_open": 241, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "userfaultfd": 282,
}  # fmt: skip
_SINCE_2019 = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "clone3": 435, "pidfd_getfd": 438,
}  # fmt: skip
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (0xC000003E, _X86 | _SINCE_2019),
    "aarch64": (0xC00000B7, _GENERIC | _SINCE_2019),
    "riscv64": (0xC00000F3, _GENERIC | _SINCE_2019),
}

_NEVER = {
    "add_key": errno.EPERM, "request_key": errno.EPERM, "keyctl": errno.EPERM, "bpf": errno.EPERM,
    "perf_event_open": errno.EPERM, "userfaultfd": errno.EPERM, "pidfd_getfd": errno.EPERM,
    # no such call: programs then fall back to what the filter can look into
    "clone3": errno.ENOSYS, "io_uring_setup": errno.ENOSYS, "io_uring_enter": errno.ENOSYS,
    "io_uring_register": errno.ENOSYS,
}  # fmt: skip


class _Step(NamedTuple):
    code: int
    value: int
    yes: int = 0
    no: int = 0


def program(machine: str = "") -> bytes | None:
    """The filter as the kernel takes it; None for a ``machine`` whose calls are not known here."""
    known = _MACHINES.get(machine or platform.machine())
    if known is None:
        return None
    architecture, number = known
    missing = _Step(_RETURN, _ERROR | errno.ENOSYS)
    steps = [_Step(_LOAD, 4), _Step(_EQUAL, architecture, 1), missing, _Step(_LOAD, 0)]
    if architecture == _MACHINES["x86_64"][0]:
        steps += [_Step(_AT_LEAST, _X32, 0, 1), missing]
    for name, error in _NEVER.items():
        steps += [_Step(_EQUAL, number[name], 0, 1), _Step(_RETURN, _ERROR | error)]
    # The first process holds the sandbox's life; nobody inside may take hold of it.
    steps += _if_argument(number["ptrace"], 1, _EQUAL, (1,), errno.EPERM)
    for name in ("process_vm_readv", "process_vm_writev"):
        steps += _if_argument(number[name], 0, _EQUAL, (1,), errno.EPERM)
    for name in ("clone", "unshare"):
        steps += _if_argument(number[name], 0, _ANY_BIT, (_CLONE_NEWUSER,), errno.EPERM)
    steps += _unless_argument(number["socket"], 0, _FAMILIES, errno.EAFNOSUPPORT)
    steps.append(_Step(_RETURN, _ALLOW))
    return b"".join(struct.pack("=HBBI", step.code, step.yes, step.no, step.value) for step in steps)


def _if_argument(call: int, argument: int, test: int, values: tuple[int, ...], error: int) -> list[_Step]:
    """Refuse a call where an argument passes a test with one of the values."""
    tests = [_Step(test, value, len(values) - at) for at, value in enumerate(values)]
    ends = [_Step(_RETURN, _ALLOW), _Step(_RETURN, _ERROR | error)]
    return [_Step(_EQUAL, call, 0, len(tests) + 3), _Step(_LOAD, 16 + 8 * argument), *tests, *ends]


def _unless_argument(call: int, argument: int, values: tuple[int, ...], error: int) -> list[_Step]:
    """Refuse a call whose argument is none of the values."""
    tests = [_Step(_EQUAL, value, len(values) - at) for at, value in enumerate(values)]
    ends = [_Step(_RETURN, _ERROR | error), _Step(_RETURN, _ALLOW)]
    return [_Step(_EQUAL, call, 0, len(tests) + 3), _Step(_LOAD, 16 + 8 * argument), *tests, *ends]
