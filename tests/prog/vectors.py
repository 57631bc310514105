#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Frames to be relayed and what must become of them, computed by scapy, as a C header on stdout.

usage: /usr/bin/python3 vectors.py > vectors.h
"""
import random
import struct
import sys

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

DEVICE, REMOTE, HOP = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"
LENGTHS = [0, 1, 2, 3, 4, 5, 7, 8, 59, 60, 61, 160, 1400]
rnd = random.Random(8656)


def data_of(length):
    return bytes(rnd.randrange(256) for _ in range(length))


def address():
    return "%d.%d.%d.%d" % (rnd.randrange(1, 224), rnd.randrange(256), rnd.randrange(256),
                            rnd.randrange(1, 255))


def ones(value):
    """Folds a sum to 16 bits, end around."""
    while value >> 16:
        value = (value & 0xffff) + (value >> 16)
    return value


def checksum(frame):
    return struct.unpack("!H", bytes(frame)[40:42])[0]


class Vector:
    """One frame of a channel: what comes in, what goes out."""

    def __init__(self, name, to_peer, data, pad=0, tail=0, df=True, tos=0, ttl=64, ident=None,
                 packets=0, check="right", number=None):
        self.name, self.to_peer, self.data, self.packets = name, to_peer, data, packets
        self.client, self.server, self.relay, self.peer = (
            (address(), rnd.randrange(1024, 65536)) for _ in range(4))
        self.number = number or rnd.randrange(0x4000, 0x8000)
        ident = rnd.randrange(65536) if ident is None else ident
        bare = struct.pack("!HH", self.number, len(data)) + data
        old, new = bare + data_of(pad), data
        here, there = (self.client, self.server), (self.relay, self.peer)
        if not to_peer:
            old, new = data, bare
            here, there = (self.peer, self.relay), (self.server, self.client)
        new_ident = self.fresh_ident(packets, there[0][1])
        come = self.frame(REMOTE, DEVICE, here, old, tos, ttl, ident, 2 if df else 0)
        go = self.frame(DEVICE, HOP, there, new, tos, ttl - 1, new_ident, 0)
        if check == "none":
            come[UDP].chksum = go[UDP].chksum = 0
        elif check == "wrong":
            # wrong by some amount, in one's complement, and just as wrong afterwards
            wrong = 0x1234
            come[UDP].chksum = ones(checksum(come) + wrong)
            go[UDP].chksum = ones(checksum(go) + wrong) or 0xffff
        self.come = bytes(come) + data_of(tail)
        self.go = bytes(go)

    @staticmethod
    def fresh_ident(packets, sport):
        """The number of the flow's packet plus the source port as it lies in memory, written in
        network order (see turn_relayed)."""
        return (packets + struct.unpack("=H", struct.pack("!H", sport))[0]) & 0xffff

    @staticmethod
    def frame(src, dst, ends, payload, tos, ttl, ident, flags):
        (saddr, sport), (daddr, dport) = ends
        return (Ether(src=src, dst=dst, type=0x0800) /
                IP(src=saddr, dst=daddr, tos=tos, ttl=ttl, id=ident, flags=flags) /
                UDP(sport=sport, dport=dport) / Raw(payload))

    def text(self):
        def be32(a):
            return "IP(%s)" % a.replace(".", ", ")

        here, there = ((self.client, self.server), (self.relay, self.peer))
        if not self.to_peer:
            here, there = (self.peer, self.relay), (self.server, self.client)
        return """	{
		.name = "%s %s", .to_peer = %d, .packets = %d, .length = %d,
		.key = { %s, %s, BE16(%d), BE16(%d), BE16(%d), 0 },
		.saddr = %s, .daddr = %s, .sport = BE16(%d), .dport = BE16(%d),
		.channel = BE16(%d),
		.come = (const __u8 *)%s, .come_len = %d,
		.go = (const __u8 *)%s, .go_len = %d,
	},""" % ("to peer" if self.to_peer else "to client", self.name, self.to_peer, self.packets,
             len(self.data), be32(here[0][0]), be32(here[1][0]), here[0][1], here[1][1],
             self.number if self.to_peer else 0,
             be32(there[0][0]), be32(there[1][0]), there[0][1], there[1][1],
             self.number,
             literal(self.come), len(self.come), literal(self.go), len(self.go))


def literal(data):
    lines = [data[i:i + 24] for i in range(0, len(data), 24)]
    return "\n\t\t\t".join('"%s"' % "".join("\\x%02x" % b for b in line) for line in lines)


def folding(to_peer, length):
    """Data with which the new UDP checksum comes to 0, which is written 0xffff."""
    while True:
        state = rnd.getstate()
        data = data_of(length - 2) + b"\0\0"
        after_data = rnd.getstate()
        v = Vector("?", to_peer, data)
        data = data[:-2] + struct.pack("!H", checksum(v.go))
        rnd.setstate(after_data)
        v = Vector("checksum 0 becomes ffff", to_peer, data)
        if checksum(v.go) == 0xffff:
            return v
        rnd.setstate(state)
        rnd.random()


def coming_in_folded(to_peer, length):
    """The same for the checksum that comes in."""
    data = data_of(length - 2) + b"\0\0"
    state = rnd.getstate()
    v = Vector("?", to_peer, data)
    data = data[:-2] + struct.pack("!H", checksum(v.come))
    rnd.setstate(state)
    v = Vector("checksum ffff comes in", to_peer, data)
    assert checksum(v.come) == 0xffff
    return v


def vectors():
    for to_peer in (True, False):
        for length in LENGTHS:
            yield Vector("%d bytes" % length, to_peer, data_of(length))
            if length < 18:
                frame = 42 + length + (4 if to_peer else 0)
                if frame < 60:
                    yield Vector("%d bytes, Ethernet padding" % length, to_peer, data_of(length),
                                 tail=60 - frame)
        for length in (1, 2, 3, 4, 5, 8, 59, 60, 161):
            for pad in (1, 2, 3):
                if to_peer:
                    yield Vector("%d bytes and %d of padding" % (length, pad), to_peer,
                                 data_of(length), pad=pad)
        if to_peer:
            yield Vector("1 byte, 3 of padding, Ethernet padding", to_peer, b"x", pad=3, tail=10)
        yield Vector("no checksum", to_peer, data_of(33), check="none")
        yield Vector("no checksum, DF clear", to_peer, data_of(34), check="none", df=False)
        for length in (0, 32, 33):
            yield Vector("wrong checksum, %d bytes" % length, to_peer, data_of(length),
                         pad=3 if to_peer and length else 0, check="wrong")
        for tos in (0x03, 0xb8, 0xff):
            yield Vector("TOS %#x" % tos, to_peer, data_of(20), tos=tos)
        for ttl in (2, 3, 255):
            yield Vector("TTL %d" % ttl, to_peer, data_of(20), ttl=ttl)
        yield Vector("DF, ID 0", to_peer, data_of(20), ident=0)
        for packets in (0, 1, 65535, 65536 + 7):
            yield Vector("no DF, packet %d" % packets, to_peer, data_of(20), df=False,
                         packets=packets)
        for length in (0, 1, 4, 59, 160, 1400):
            yield Vector("no DF, %d bytes" % length, to_peer, data_of(length), df=False)
        yield Vector("all zeros", to_peer, bytes(40))
        yield Vector("all ones", to_peer, b"\xff" * 41)
        for number in (0x4000, 0x4fff, 0x7fff):
            yield Vector("channel %#x" % number, to_peer, data_of(12), number=number)
        for length in (20, 1400):
            yield folding(to_peer, length)
            yield coming_in_folded(to_peer, length)
        for _ in range(20):
            length = rnd.randrange(1, 300)
            yield Vector("random, %d bytes" % length, to_peer, data_of(length),
                         pad=rnd.randrange(4) if to_peer else 0, ttl=rnd.randrange(2, 256),
                         tos=rnd.randrange(256), df=rnd.random() < .5,
                         packets=rnd.randrange(1 << 20))


def main():
    print("/* Made by vectors.py with scapy. */")
    print("static const struct vector vectors[] = {")
    for v in vectors():
        print(v.text())
    print("};")


if __name__ == "__main__":
    sys.exit(main())
