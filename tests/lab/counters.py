#!/usr/bin/python3
"""Do the counters add up? Traffic both ways on many channels, from two CPUs at once, and every packet counted where it
is sent.

As root.  --allocations clients, each with --channels channels to a port of its own at the peer.  Then two processes,
each kept on a CPU of its own, send at least --packets packets each, both ways: on all channels in turn, as many at once as
make the two work on one flow at the same time.  Some are such as the kernel leaves to the server.

  counters.py --client NETNS:DEV:ADDR --peer NETNS:DEV:ADDR --server ADDR:PORT --relay-ip ADDR [OPTION]...

Prints one JSON object: `sent`, by the packet sockets at the two ends, and `flows`, by the processes: for each channel
(client address:port and number) the packets to the peer and to the client.
"""
import argparse
import ctypes
import json
import os
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
import ends
import load
import turn

BURST = 64                                       # a veth's ring holds 256; two processes, and the server, fill it
ODD = 8                                          # of the kind that goes to the server, one burst in 16
FIRST_PORT = 20000
SMALL, TOO_LARGE = 64, 1470                      # the latter does not fit with a ChannelData header
SURPLUS = 5                                      # more padding than there can be
vector, to = load.iovec(), ctypes.create_string_buffer(16)
messages = (load.mmsghdr * BURST)()
for message in messages:
    message.iov, message.iovlen, message.name, message.namelen = ctypes.pointer(vector), 1, ctypes.addressof(to), 16


def burst(sock, address, data, count):
    """The same data that many times, with one system call; how many it took. Not by connected sockets: those keep to one
    queue, so that one CPU at a time would receive."""
    to.raw = struct.pack("=HHI8x", socket.AF_INET, socket.htons(address[1]), struct.unpack(
        "=I", socket.inet_aton(address[0]))[0])
    vector.base, vector.len = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data)
    return max(0, turn.libc.sendmmsg(sock.fileno(), ctypes.byref(messages), count, 0))


class Channel:
    def __init__(self, client, peer, number):
        self.client, self.peer, self.number = client, peer, number
        self.up = self.down = 0

    def send(self, n, up):
        """A burst; no two are alike."""
        odd = n % 16 == 0
        count = ODD if odd else BURST
        data = struct.pack("!Q", n) + bytes(SMALL - 16) + struct.pack("!Q", n)
        if up:
            framed = self.client.data(self.number, data, SURPLUS if odd else 0)
            self.up += burst(self.client.sock, self.client.server, framed, count)
        else:
            self.down += burst(self.peer.sock, self.client.relay, data.ljust(TOO_LARGE) if odd else data, count)


def meet(channel):
    """Two packets each way, awaited: the server has time to relay the first, which proves the channel."""
    for _ in range(2):
        channel.client.send(channel.client.data(channel.number, b"hello"), channel.client.server)
        channel.peer.receive(time.monotonic() + 3)
        channel.peer.send(b"hello", channel.client.relay)
        channel.client.receive(time.monotonic() + 3)
    return 2, 2


def work(channels, cpu, packets):
    """Sends, on that CPU, and answers what it sent. By the clock, so that both are at the same flow."""
    os.sched_setaffinity(0, {cpu})
    sent = n = 0
    while sent < packets:
        slot = int(time.monotonic() * 200)
        channels[slot // 2 % len(channels)].send(2 * n + cpu, slot % 2)
        sent += BURST
        n += 1
    return [(channel.up, channel.down) for channel in channels]


def spawn(channels, cpu, packets):
    back, out = os.pipe()
    if os.fork():
        os.close(out)
        return os.fdopen(back)
    try:
        os.write(out, json.dumps(work(channels, cpu, packets)).encode())
    finally:
        os._exit(0)


def make_channels(arg):
    netns, _, addr = arg.client.split(":")
    peer_netns, _, peer_addr = arg.peer.split(":")
    channels = []
    for i in range(arg.allocations):
        client = turn.Client(netns, addr, turn.endpoint(arg.server))
        if not client.answer("allocate", turn.attribute(turn.TRANSPORT, b"\x11\0\0\0"))["ok"]:
            raise turn.Wrong("no allocation")
        for k in range(arg.channels):
            peer = turn.End(peer_netns, peer_addr, FIRST_PORT + len(channels))
            answer = client.answer("bind", turn.attribute(turn.NUMBER, struct.pack("!HH", 0x4000 + k, 0)) +
                                   turn.attribute(turn.PEER, turn.xored(*peer.sock.getsockname())))
            if not answer["ok"]:
                raise turn.Wrong(f"no channel: {answer}")
            channels.append(Channel(client, peer, 0x4000 + k))
    for channel in channels:
        for end in (channel.client, channel.peer):
            end.sock.setblocking(True)
    return channels


def main():
    p = argparse.ArgumentParser()
    for name in ("client", "peer", "server", "relay-ip"):
        p.add_argument("--" + name, required=True)
    for name, value in (("allocations", 2), ("channels", 4), ("packets", 100000)):
        p.add_argument("--" + name, type=int, default=value)
    arg = p.parse_args()
    channels = make_channels(arg)
    port = int(arg.server.rpartition(":")[2])
    taps = {
        "client": ends.Tap(arg.client.rpartition(":")[0], ends.pkttype(ends.OUTGOING) + ends.udp(
            (ends.LD_H_X, ends.ETH + 2), (ends.JEQ, port)) + ends.first_byte(0x40)),
        "peer": ends.Tap(arg.peer.rpartition(":")[0], ends.pkttype(ends.OUTGOING) + ends.udp() +
                         ends.address(16, arg.relay_ip)),
    }
    met = [meet(channel) for channel in channels]
    began = time.monotonic()
    answers = [met] + [json.load(pipe) for pipe in [spawn(channels, cpu, arg.packets) for cpu in (0, 1)]]
    seconds = time.monotonic() - began
    flows = {}
    for channel, *ways in zip(channels, *answers):
        name = "%s:%d %#06x" % (*channel.client.sock.getsockname(), channel.number)
        flows[name] = {"to_peer": sum(way[0] for way in ways), "to_client": sum(way[1] for way in ways)}
    print(json.dumps({"sent": {name: tap.count() for name, tap in taps.items()}, "flows": flows,
                      "seconds": round(seconds, 2)}))


main()
