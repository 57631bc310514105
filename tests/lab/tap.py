#!/usr/bin/python3
"""A cable between two tap devices: tap.py NETNS:DEV NETNS:DEV

Makes the devices, in these network namespaces, and hands on each frame that one of them sends to the other. Without
blocking, as only such a write is run by native XDP in the tun driver. They go with the process.
"""
import ctypes
import fcntl
import os
import select
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000


def tap(where):
    netns, dev = where.split(":")
    with open(f"/run/netns/{netns}", "rb") as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {netns}")
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", dev.encode(), IFF_TAP | IFF_NO_PI))
    return fd


def hand_on(source, to):
    try:
        os.write(to, os.read(source, 65536))
    except OSError:                              # nothing there after all, or the other one is down
        pass


def main():
    a, b = (tap(where) for where in sys.argv[1:3])
    other = {a: b, b: a}
    poll = select.poll()
    for fd in other:
        poll.register(fd, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            hand_on(fd, other[fd])


main()
