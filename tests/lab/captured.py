#!/usr/bin/env python3
"""captured.py FILE: the interfaces of a pcapng file, each with the number of its packets, as "NAME COUNT".

xdpdump has an interface for each program and for each way, in and out.
"""
import struct
import sys

INTERFACE, PACKET, NAME = 1, 6, 2   # block types, and the option if_name
MAGIC = 0x1A2B3C4D


def blocks(data):
    """Type and body of each block, in the byte order of this machine, which has written it."""
    if struct.unpack_from("=I", data, 8)[0] != MAGIC:
        sys.exit("captured.py: not a pcapng file of this machine")
    at = 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("=II", data, at)
        if length < 12 or at + length > len(data):
            break   # cut off
        yield kind, data[at + 8:at + length - 4]
        at += length


def name(body):
    """What the options of an interface's block say."""
    at = 8
    while at + 4 <= len(body):
        code, length = struct.unpack_from("=HH", body, at)
        if code == NAME:
            return body[at + 4:at + 4 + length].rstrip(b"\0").decode()
        at += 4 + (length + 3) // 4 * 4
    return "?"


def main():
    with open(sys.argv[1], "rb") as file:
        data = file.read()
    interfaces = []
    for kind, body in blocks(data):
        if kind == INTERFACE:
            interfaces.append([name(body), 0])
        elif kind == PACKET:
            interfaces[struct.unpack_from("=I", body)[0]][1] += 1
    for interface in interfaces:
        print(*interface)


main()
