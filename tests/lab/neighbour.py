#!/usr/bin/python3
"""Another's TC programs, as small as they can be: to be a neighbour of turn_egress.

  neighbour.py load NAME PIN VERDICT       a program that counts its packets, and ends with VERDICT: next (-1), ok (0),
                                           pass, or the like as a number; pinned as PIN, and its counter as PIN-count
  neighbour.py load NAME PIN redirect DEV [PORT]
                                           sends what it gets (with PORT: of UDP, only what is to or from that port)
                                           out by DEV, once; the rest goes on
  neighbour.py tcx PIN DEV ingress|egress first|last
                                           links it there; the link is pinned as PIN-link
  neighbour.py has-tcx DEV                 exit code 0 if the kernel has the hook
  neighbour.py hook DEV ingress|egress     the names of the programs at the tcx hook, in their order
  neighbour.py count PIN                   how many packets the program has seen

As root, in the device's network namespace. The system call itself: Debian 12's bpftool does not know tcx.
"""
import ctypes
import os
import platform
import socket
import struct
import sys

MAP_CREATE, LOOKUP, PROG_LOAD, OBJ_PIN, OBJ_GET, PROG_BY_ID, INFO, PROG_QUERY, LINK_CREATE = 0, 1, 5, 6, 7, 13, 15, 16, 28
ARRAY, SCHED_CLS = 2, 3
HOOKS = {"ingress": 46, "egress": 47}
BEFORE = 1 << 3
VERDICTS = {"next": -1, "ok": 0}
SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
MARK = 0x6e62                                    # of a packet that was redirected
libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    attributes = ctypes.create_string_buffer(attributes, max(len(attributes), 128))
    result = libc.syscall(SYSCALL, command, attributes, len(attributes))
    if result < 0:
        raise OSError(ctypes.get_errno(), f"bpf({command}): {os.strerror(ctypes.get_errno())}")
    return result, attributes.raw


def pointer(data):
    return ctypes.addressof(data)


def pin(fd, path):
    path = ctypes.create_string_buffer(path.encode())
    bpf(OBJ_PIN, struct.pack("=QII", pointer(path), fd, 0))


def pinned(path):
    path = ctypes.create_string_buffer(path.encode())
    return bpf(OBJ_GET, struct.pack("=QII", pointer(path), 0, 0))[0]


# ---- programs: one instruction is (opcode, destination, source, offset, immediate) ----

def counting(fd):
    """counter += 1; the context is in r6 afterwards"""
    return [(0xbf, 6, 1, 0, 0),                  # r6 = r1
            (0x62, 10, 0, -4, 0),                # *(u32 *)(r10 - 4) = 0
            (0xbf, 2, 10, 0, 0), (0x07, 2, 0, 0, -4),
            (0x18, 1, 1, 0, fd), (0, 0, 0, 0, 0),    # r1 = the map
            (0x85, 0, 0, 0, 1),                  # map_lookup_elem
            (0x15, 0, 0, 2, 0),                  # if r0 == 0 skip 2
            (0xb7, 1, 0, 0, 1),
            (0xdb, 0, 1, 0, 0)]                  # lock *(u64 *)r0 += r1


def ending(verdict):
    return [(0xb7, 0, 0, 0, verdict), (0x95, 0, 0, 0, 0)]


def redirecting(ifindex, port):
    """What has the mark has been here before: it goes on. IPv4 without options, as the lab's packets are."""
    marked = [(0x61, 1, 6, 8, 0), (0x15, 1, 0, "go on", MARK)]                # r1 = skb->mark
    wanted = []
    if port:
        wanted = [(0x28, 0, 0, 0, 12), (0x55, 0, 0, "go on", 0x0800),        # by classic loads: r0 = packet[12:14]
                  (0x30, 0, 0, 0, 23), (0x55, 0, 0, "go on", 17),
                  (0x28, 0, 0, 0, 34), (0x15, 0, 0, "send", port),
                  (0x28, 0, 0, 0, 36), (0x55, 0, 0, "go on", port)]
    send = [(0xb7, 1, 0, 0, MARK), (0x63, 6, 1, 8, 0),                        # skb->mark = r1
            (0xb7, 1, 0, 0, ifindex), (0xb7, 2, 0, 0, 0), (0x85, 0, 0, 0, 23), (0x95, 0, 0, 0, 0)]
    code = marked + wanted + send + ending(-1)
    labels = {"send": len(marked + wanted), "go on": len(marked + wanted + send)}
    return [(op, dst, src, labels[off] - at - 1 if off in labels else off, imm)
            for at, (op, dst, src, off, imm) in enumerate(code)]


def load(name, path, verdict, device=None, port="0"):
    fd, _ = bpf(MAP_CREATE, struct.pack("=IIIII", ARRAY, 4, 8, 1, 0))
    steps = counting(fd)
    if verdict == "redirect":
        steps += redirecting(socket.if_nametoindex(device), int(port))
    else:
        steps += ending(VERDICTS[verdict] if verdict in VERDICTS else int(verdict))
    code = b"".join(struct.pack("<BBhi", op, dst | src << 4, off, imm) for op, dst, src, off, imm in steps)
    code, gpl = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
    program, _ = bpf(PROG_LOAD, struct.pack("=IIQQIIQII16s", SCHED_CLS, len(steps), pointer(code), pointer(gpl),
                                            0, 0, 0, 0, 0, name.encode()))
    pin(program, path)
    pin(fd, path + "-count")


def tcx(path, device, hook, place):
    flags = BEFORE if place == "first" else 0    # without a relative: before the first, or after the last
    link, _ = bpf(LINK_CREATE, struct.pack("=IIII", pinned(path), socket.if_nametoindex(device), HOOKS[hook], flags))
    pin(link, path + "-link")


def programs(device, hook):
    """A kernel without tcx does not know the hook."""
    ids = (ctypes.c_uint32 * 64)()
    try:
        _, answer = bpf(PROG_QUERY, struct.pack("=IIIIQI", socket.if_nametoindex(device), HOOKS[hook], 0, 0,
                                                ctypes.addressof(ids), 64))
    except FileNotFoundError:                    # nothing was ever there
        return []
    return list(ids[:struct.unpack_from("=I", answer, 24)[0]])


def has_tcx(device):
    try:
        programs(device, "egress")
    except OSError:
        sys.exit(1)


def name(program):
    info = ctypes.create_string_buffer(80)       # struct bpf_prog_info, up to its name
    fd, _ = bpf(PROG_BY_ID, struct.pack("=I", program))
    bpf(INFO, struct.pack("=IIQ", fd, len(info), pointer(info)))
    os.close(fd)
    return info.raw[64:80].rstrip(b"\0").decode()


def hook(device, which):
    print(*map(name, programs(device, which)))


def count(path):
    key, value = ctypes.c_uint32(0), ctypes.c_uint64(0)
    bpf(LOOKUP, struct.pack("=IIQQQ", pinned(path + "-count"), 0, ctypes.addressof(key), ctypes.addressof(value), 0))
    print(value.value)


commands = {"load": load, "tcx": tcx, "has-tcx": has_tcx, "hook": hook, "count": count}
if len(sys.argv) < 2 or sys.argv[1] not in commands:
    sys.exit(__doc__)
try:
    commands[sys.argv[1]](*sys.argv[2:])
except OSError as error:
    sys.exit(f"neighbour.py {' '.join(sys.argv[1:])}: {error}")
