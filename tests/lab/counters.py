#!/usr/bin/python3
"""Do the counters add up? Traffic both ways on many channels, from two CPUs at once, and every packet counted where it
is sent.

As root.  --allocations clients, each with --channels channels to a port of its own at the peer.  Then two processes,
each kept on a CPU of its own, send --packets packets each: on all channels in turn, one to the peer and one to the
client, so that both CPUs work on the same flows at the same time.  Some are such as the kernel leaves to the server.

  counters.py --client NETNS:DEV:ADDR --peer NETNS:DEV:ADDR --server ADDR:PORT --relay-ip ADDR [OPTION]...

Prints one JSON object: `sent`, by the packet sockets at the two ends, and `flows`, by the processes: for each channel
(client address:port and number) the packets to the peer and to the client.
"""
import argparse
import json
import os
import struct
import sys
import time

sys.dont_write_bytecode = True
import ends
import turn

BURST = 16                                       # a veth's ring holds 256; two processes, and the server, fill it
FIRST_PORT = 20000
SMALL, TOO_LARGE = 64, 1470                      # the latter does not fit with a ChannelData header
SURPLUS = 5                                      # more padding than there can be


class Channel:
    def __init__(self, client, peer, number):
        self.client, self.peer, self.number = client, peer, number
        self.up = self.down = 0

    def send(self, n):
        """A pair of packets; of those to the peer one in 61 has a wrong length, to the client one in 67."""
        data = struct.pack("!Q", n) + bytes(SMALL - 16) + struct.pack("!Q", n)
        self.client.sock.send(self.client.data(self.number, data, 0 if n % 61 else SURPLUS))
        self.up += 1
        self.peer.sock.sendto(data if n % 67 else data.ljust(TOO_LARGE), self.client.relay)
        self.down += 1


def work(channels, cpu, packets):
    """Sends, on that CPU, and answers what it sent: one line to the pipe."""
    os.sched_setaffinity(0, {cpu})
    for n in range(packets):
        channels[n % len(channels)].send(2 * n + cpu)
        if n % BURST == BURST - 1:
            time.sleep(0.0005)
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
        channel.client.sock.connect(channel.client.server)
    return channels


def main():
    p = argparse.ArgumentParser()
    for name in ("client", "peer", "server", "relay-ip"):
        p.add_argument("--" + name, required=True)
    for name, value in (("allocations", 4), ("channels", 4), ("packets", 20000)):
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
    began = time.monotonic()
    answers = [json.load(pipe) for pipe in [spawn(channels, cpu, arg.packets) for cpu in (0, 1)]]
    seconds = time.monotonic() - began
    flows = {}
    for channel, *ways in zip(channels, *answers):
        name = "%s:%d %#06x" % (*channel.client.sock.getsockname(), channel.number)
        flows[name] = {"to_peer": sum(way[0] for way in ways), "to_client": sum(way[1] for way in ways)}
    print(json.dumps({"sent": {name: tap.count() for name, tap in taps.items()}, "flows": flows,
                      "seconds": round(seconds, 2)}))


main()
