#!/usr/bin/python3
"""Count the packets at the two ends of a relayed path, and the server's CPU time, as they go.

This is the laboratory's own witness: it asks neither turnctl nor the load tools.  Packet sockets with a
classic BPF filter sit in the client's and the peer's network namespace.  They are never read: the kernel
counts what passes the filter (PACKET_STATISTICS, queued or dropped alike), which is exact and wakes nobody.
One more socket reads about one data packet in fifty at the client, with the kernel's time stamps, for the
round trip.  Ten times a second the counters are put next to the server's schedstat, so that CPU time can be
told apart: `idle` (before anything was sent), `handshake` (intervals with a STUN message) and `data`
(intervals with data packets only).

  ends.py --client NETNS:DEV --peer NETNS:DEV --relay-ip ADDR --pid PID [--port 3478] [--idle SECONDS]
          --ready FILE --out FILE

FILE of --ready appears when the idle phase is over; SIGTERM ends the run and writes --out (JSON).
"""
import argparse
import array
import ctypes
import glob
import json
import signal
import socket
import struct
import time

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_ATTACH_FILTER, SO_TIMESTAMPNS = 26, 35
SOL_PACKET, PACKET_STATISTICS = 263, 6
HOST, OUTGOING = 0, 4                            # sll_pkttype
INTERVAL = 0.1                                   # seconds between two samples

# Classic BPF: opcodes, and the extension that loads the packet's type
LD_B, LD_H, LD_W = 0x30, 0x28, 0x20              # A = packet[k]
LDX_IHL = 0xb1                                   # X = 4 * (packet[k] & 15)
LD_B_X, LD_H_X = 0x50, 0x48                      # A = packet[X + k]
AND, MOD, JEQ, JSET, RET = 0x54, 0x94, 0x15, 0x45, 0x06
PKTTYPE = 0xfffff000 + 4
ETH = 14


def udp(*more):
    """Steps that accept an unfragmented IPv4 UDP packet and leave X at its IP header's length."""
    return [(LD_H, 12), (JEQ, 0x0800), (LD_B, ETH + 9), (JEQ, 17), (LD_H, ETH + 6), (JSET, 0x1fff),
            (LDX_IHL, ETH), *more]


def pkttype(kind):
    """HOST: received by this device; OUTGOING: sent by it."""
    return [(LD_B, PKTTYPE), (JEQ, kind)]


def address(offset, addr):
    """An IPv4 address at this offset of the IP header: 12 source, 16 destination."""
    return [(LD_W, ETH + offset), (JEQ, struct.unpack("!I", socket.inet_aton(addr))[0])]


def first_byte(kind):
    """The two upper bits of a UDP payload: 00 STUN, 01 ChannelData (RFC 7983)."""
    return [(LD_B_X, ETH + 8), (AND, 0xc0), (JEQ, kind)]


def assemble(steps):
    """A JEQ that does not hold, and a JSET that does, reject the packet."""
    code, end = b"", len(steps) + 1
    for at, (op, k) in enumerate(steps):
        reject = end - at - 1
        jt, jf = {JEQ: (0, reject), JSET: (reject, 0)}.get(op, (0, 0))
        code += struct.pack("HBBI", op, jt, jf, k)
    return code + struct.pack("HBBI", RET, 0, 0, 0xffff) + struct.pack("HBBI", RET, 0, 0, 0)


class Tap:
    """A filtered packet socket on one device of one network namespace."""

    def __init__(self, where, steps, rcvbuf=0):
        netns, dev = where.split(":")
        enter_netns(netns)                       # a socket belongs to the namespace it was made in
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        code = assemble(steps)
        buf = ctypes.create_string_buffer(code)
        fprog = struct.pack("HP", len(code) // 8, ctypes.addressof(buf))
        self.sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, fprog)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        self.sock.setblocking(False)
        self.sock.bind((dev, ETH_P_ALL))         # only now does it see anything
        self.total = 0

    def count(self):
        """Packets that passed the filter since the last call (the kernel resets its counter)."""
        new = struct.unpack("II", self.sock.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))[0]
        self.total += new
        return new

    def packets(self):
        """(time in ns, packet type, frame) of the packets waiting."""
        while True:
            try:
                frame, control, _, addr = self.sock.recvmsg(128, 64)
            except BlockingIOError:
                return
            for level, kind, data in control:
                if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
                    stamp = array.array("q", data)
                    yield stamp[0] * 10**9 + stamp[1], addr[2], frame


class RoundTrip:
    """turnutils_uclient numbers each client's messages (little endian, at the payload's start), and the peer
    echoes them: channel, client port and number name a message on its way out and back."""

    def __init__(self, tap):
        self.tap, self.sent, self.us = tap, {}, []
        tap.sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)

    def collect(self):
        for ns, kind, frame in self.tap.packets():
            at = ETH + 4 * (frame[ETH] & 15)
            sport, dport = frame[at:at + 2], frame[at + 2:at + 4]
            message = frame[at + 8:at + 16]
            if kind == OUTGOING:
                self.sent[sport + message] = ns
            elif dport + message in self.sent:
                self.us.append((ns - self.sent.pop(dport + message)) / 1000)

    def result(self):
        us = sorted(self.us)
        if not us:
            return {"samples": 0}
        pick = lambda share: round(us[min(len(us) - 1, int(len(us) * share))], 1)
        return {"samples": len(us), "min": pick(0), "median": pick(0.5), "p99": pick(0.99), "max": pick(1)}


def enter_netns(name):
    with open(f"/run/netns/{name}", "rb") as ns:
        if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter the network namespace {name}")


def cpu_ns(pid):
    """Time on a CPU of all threads, in ns (schedstat's first figure)."""
    total = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path) as f:
            total += int(f.read().split()[0])
    return total


def arguments():
    p = argparse.ArgumentParser()
    for name in ("client", "peer", "relay-ip", "ready", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--pid", type=int, required=True)
    p.add_argument("--port", type=int, default=3478)
    p.add_argument("--idle", type=float, default=3)
    return p.parse_args()


def main():
    arg = arguments()
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))

    to_server = udp((LD_H_X, ETH + 2), (JEQ, arg.port))
    to_client = udp((LD_H_X, ETH), (JEQ, arg.port))
    channel, stun = first_byte(0x40), first_byte(0)
    sampled = [(LD_B_X, ETH + 12), (MOD, 61), (JEQ, 0)]     # of message numbers 0…255: five, at odd distances
    taps = {
        "client_sent": Tap(arg.client, pkttype(OUTGOING) + to_server + channel),
        "client_received": Tap(arg.client, pkttype(HOST) + to_client + channel),
        "peer_sent": Tap(arg.peer, pkttype(OUTGOING) + udp() + address(16, arg.relay_ip)),
        "peer_received": Tap(arg.peer, pkttype(HOST) + udp() + address(12, arg.relay_ip)),
        "stun": Tap(arg.client, pkttype(OUTGOING) + to_server + stun),
        "stun_answers": Tap(arg.client, pkttype(HOST) + to_client + stun),
    }
    trip = RoundTrip(Tap(arg.client, udp() + channel + sampled, 1 << 20))

    phases = {name: {"cpu_ns": 0, "seconds": 0.0, "packets": 0} for name in ("idle", "handshake", "data", "rest")}
    began = last = time.monotonic()
    cpu = cpu_ns(arg.pid)
    first_data = last_data = None
    ready = False
    while not stop:
        time.sleep(INTERVAL)                     # SIGTERM sets the flag: this interval is counted, then the end
        new = {name: tap.count() for name, tap in taps.items()}
        now, cpu_now = time.monotonic(), cpu_ns(arg.pid)
        trip.collect()
        data = new["client_sent"] + new["peer_sent"]
        if not ready:
            phase = "idle"
        elif new["stun"] + new["stun_answers"]:
            phase = "handshake"
        else:
            phase = "data" if data + new["client_received"] + new["peer_received"] else "rest"
        if data:
            first_data, last_data = first_data or last, now
        p = phases[phase]
        p["cpu_ns"] += cpu_now - cpu
        p["seconds"] += now - last
        p["packets"] += data
        cpu, last = cpu_now, now
        if not ready and now - began >= arg.idle:
            ready = True
            open(arg.ready, "w").close()

    total = {name: tap.total for name, tap in taps.items()}
    for p in phases.values():
        p["seconds"] = round(p["seconds"], 3)
    result = {
        "to_peer": {"sent": total["client_sent"], "received": total["peer_received"]},
        "to_client": {"sent": total["peer_sent"], "received": total["client_received"]},
        "stun": {"requests": total["stun"], "answers": total["stun_answers"]},
        "seconds": round((last_data or 0) - (first_data or 0), 1),
        "rtt_us": trip.result(),
        "server": phases,
    }
    with open(arg.out, "w") as f:
        json.dump(result, f)


if __name__ == "__main__":
    main()
