#!/usr/bin/python3
"""Many channels, steady traffic, and a server that is slowed down on purpose: second by second, what became of it.

As root.  Makes --allocations allocations and binds --channels channels to them, to one peer address with consecutive
ports; then sends --rate packets a second on each, client to peer, all the time.  One phase after the other:

  warm     until every channel is offloaded
  normal   the server runs
  slow     the server runs for --run ms, then not for --rest ms (SIGCONT, SIGSTOP), and so on
  silent   the server is stopped for good; ends early when the kernel has relayed nothing for a second
  after    the server runs; ends early when no heartbeat is stretched and no channel suspended for two seconds

  load.py --client NETNS:DEV:ADDR --peer NETNS:DEV:ADDR --server ADDR:PORT --relay-ip ADDR --pid PID --out FILE
          [OPTION]... PHASE=SECONDS... -- TURNCTL...

TURNCTL... is the command with all that goes before its words.  Prints a line a second (in
silence, five); FILE is one JSON object: `lines`, the same, and `total`, from before the first packet until all was at
rest.  Both ends are counted by packet sockets.
Nobody listens at the peer's ports, so its namespace should send no ICMP errors (net.ipv4.icmp_ratelimit).
"""
import argparse
import ctypes
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
import ends
import turn

TICK = 0.005                                     # seconds between two batches
IN_FLIGHT = 8                                    # TURN_REQUESTS: as many binds of an allocation are remembered
FIRST_PORT = 10000
BATCH = 64                                       # a veth's ring holds 256


class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class mmsghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_size_t), ("sent", ctypes.c_size_t)]  # an int each, and what aligns it


class Sender:
    """A client whose channels send in turn, many with one system call: each a header of its own, and one body."""

    def __init__(self, client, numbers, size):
        self.client, self.numbers, self.size, self.at, self.round = client, numbers, size, 0, 0
        client.sock.connect(client.server)
        n = len(numbers)
        self.heads = ctypes.create_string_buffer(b"".join(struct.pack("!HH", c, size) for c in numbers))
        self.body = ctypes.create_string_buffer(size)
        self.vectors = (iovec * (2 * n))()
        self.messages = (mmsghdr * n)()
        for i in range(n):
            self.vectors[2 * i] = iovec(ctypes.addressof(self.heads) + 4 * i, 4)
            self.vectors[2 * i + 1] = iovec(ctypes.addressof(self.body), size)
            self.messages[i].iov = ctypes.pointer(self.vectors[2 * i])
            self.messages[i].iovlen = 2

    def bind(self, peer, first_port):
        """Binds all channels, IN_FLIGHT at a time."""
        client, waiting, flying = self.client, list(enumerate(self.numbers))[::-1], {}
        signed = (turn.attribute(turn.USERNAME, turn.USER.encode()) + turn.attribute(turn.REALM, client.realm) +
                  turn.attribute(turn.NONCE, client.nonce))
        until = time.monotonic() + 120
        while waiting or flying:
            while waiting and len(flying) < IN_FLIGHT:
                i, number = waiting.pop()
                transaction = os.urandom(12)
                flying[transaction] = (time.monotonic(), i, number)
                client.sock.send(turn.message(
                    turn.METHODS["bind"], transaction, turn.attribute(turn.NUMBER, struct.pack("!HH", number, 0)) +
                    turn.attribute(turn.PEER, turn.xored(peer, first_port + i)) + signed, client.key))
            if select.select([client.sock], [], [], 0.5)[0]:
                data = client.sock.recv(2048)
                if flying.pop(data[8:20], None) and data[:2] != b"\x01\x09":
                    raise turn.Wrong(f"a bind is refused: {data.hex()}")
            for transaction, (when, i, number) in list(flying.items()):
                if time.monotonic() - when > 1:
                    del flying[transaction]
                    waiting.append((i, number))
            if time.monotonic() > until:
                raise turn.Wrong(f"{len(waiting)} channels are not bound in time")

    def send(self, count):
        sent = 0
        while sent < count:
            n = min(BATCH, count - sent, len(self.numbers) - self.at)
            self.round += 1                      # no two packets of a channel are alike
            struct.pack_into("!Q", self.body, 0, self.round)
            struct.pack_into("!Q", self.body, self.size - 8, self.round)
            done = turn.libc.sendmmsg(self.client.sock.fileno(), ctypes.byref(self.messages[self.at]), n, 0)
            if done < 0:
                continue                         # an ICMP error that was waiting; none was sent
            sent += done
            self.at = (self.at + done) % len(self.numbers)
        return sent


class Throttle:
    """Lets the server run for a part of the time only. A process of its own, so that nothing delays it."""

    def __init__(self, pid):
        self.pid, self.child = pid, None

    def slow(self, run, rest):
        self.child = os.fork()
        if self.child:
            return
        turn.libc.prctl(1, signal.SIGKILL)       # not to outlive us
        while True:
            os.kill(self.pid, signal.SIGCONT)
            time.sleep(run / 1000)
            os.kill(self.pid, signal.SIGSTOP)
            time.sleep(rest / 1000)

    def stop(self):
        os.kill(self.pid, signal.SIGSTOP)

    def free(self):
        if self.child:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = None
        os.kill(self.pid, signal.SIGCONT)


class Reader:
    """What turnctl says, asked for without waiting."""

    def __init__(self, command):
        ctl = " ".join(f"'{word}'" for word in command)
        self.line = f"{ctl} -j stats; {ctl} -j status; {ctl} -j channel count --state offloaded"
        self.asked = None

    def ask(self):
        self.asked = subprocess.Popen(["sh", "-c", self.line], stdout=subprocess.PIPE)

    def answer(self, wait=False):
        if wait or self.asked.poll() is not None:
            text, decoder, documents = self.asked.communicate()[0].decode(), json.JSONDecoder(), []
            while text := text.strip():
                document, end = decoder.raw_decode(text)
                documents.append(document)
                text = text[end:]
            self.asked = None
            return self.totals(*documents)
        return None

    @staticmethod
    def totals(stats, status, count):
        devices = stats["devices"]
        total = {"relayed": sum(d["to_peer"]["packets"] for d in devices),
                 "heartbeats": sum(d["heartbeats"] for d in devices)}
        for reason in devices[0]["passed"]:
            total["passed." + reason] = sum(d["passed"][reason] for d in devices)
        for event in ("confirmed", "suspended"):
            total[event] = sum(d["events"][event] for d in devices)
        return total, {"offloaded": count["channels"], "stretch": status.get("heartbeat_stretch", 1)}


class Run:
    def __init__(self, arg):
        self.arg = arg
        self.reader = Reader(arg.turnctl)
        self.throttle = Throttle(arg.pid)
        self.lines = []
        netns, dev, addr = arg.client.split(":")
        peer_netns, peer_dev, self.peer = arg.peer.split(":")
        channel = ends.first_byte(0x40)
        port = int(arg.server.rpartition(":")[2])
        self.taps = {
            "sent": ends.Tap(f"{netns}:{dev}", ends.pkttype(ends.OUTGOING) +
                             ends.udp((ends.LD_H_X, ends.ETH + 2), (ends.JEQ, port)) + channel),
            "arrived": ends.Tap(f"{peer_netns}:{peer_dev}", ends.pkttype(ends.HOST) + ends.udp() +
                                ends.address(12, arg.relay_ip)),
        }
        self.senders = []
        for i in range(arg.allocations):
            client = turn.Client(netns, addr, turn.endpoint(arg.server))
            numbers = range(0x4000, 0x4000 + arg.channels // arg.allocations)
            result = client.answer("allocate", turn.attribute(turn.TRANSPORT, b"\x11\0\0\0"))
            if not result["ok"]:
                raise turn.Wrong(f"no allocation: {result}")
            self.senders.append(Sender(client, numbers, arg.size))

    def bind(self):
        began = time.monotonic()
        for i, sender in enumerate(self.senders):
            sender.bind(self.peer, FIRST_PORT + i * len(sender.numbers))
        return time.monotonic() - began

    def begin(self):
        """The counters' start."""
        self.reader.ask()
        self.last = self.reader.answer(wait=True)[0]
        for tap in self.taps.values():
            tap.count()

    def line(self, phase, new, totals):
        counters, gauges = totals
        line = {"phase": phase, **new, **{k: v - self.last[k] for k, v in counters.items()}, **gauges}
        self.last = counters
        line["passed"] = sum(v for k, v in line.items() if k.startswith("passed."))
        line["by_server"] = line["arrived"] - line["relayed"]
        line["share"] = round(line["relayed"] / max(1, line["sent"]), 4)
        self.lines.append(line)
        reasons = " ".join(f"{k[7:]}={v}" for k, v in line.items() if k.startswith("passed.") and v)
        print(f"{phase:7}" + "".join(f"{line[k]:10}" for k in COLUMNS) + f"  {reasons}", flush=True)

    def phase(self, name, seconds):
        """Traffic for so many seconds, or until all is as the phase wants it."""
        began, due, tick, new = time.monotonic(), 0.0, 0, None
        every = 0.2 if name == "silent" else 1
        boundary, first = every, len(self.lines)
        each = self.arg.channels * self.arg.rate * TICK / len(self.senders)
        while True:
            due += each
            for sender in self.senders:
                sender.send(int(due))
            due -= int(due)
            tick += 1
            now = time.monotonic() - began
            if now >= boundary and not self.reader.asked:
                new = {"at": round(now, 2), **{k: tap.count() for k, tap in self.taps.items()}}
                self.reader.ask()
                boundary += every
            if self.reader.asked and (totals := self.reader.answer()):
                self.line(name, new, totals)
                if now >= seconds or self.over(name, self.lines[first:]):
                    return
            if (left := tick * TICK - now) > 0:
                time.sleep(left)

    def over(self, name, lines):
        if name == "warm":
            return lines[-1]["offloaded"] == self.arg.channels
        if name == "silent":
            return len(lines) > 5 and not any(line["relayed"] for line in lines[-5:])
        return name == "after" and len(lines) > 2 and all(
            line["stretch"] == 1 and line["offloaded"] == self.arg.channels for line in lines[-2:])

    def rest(self):
        """Until nothing comes out of the server any more."""
        while True:
            time.sleep(0.5)
            new = {"at": 0, **{k: tap.count() for k, tap in self.taps.items()}}
            self.reader.ask()
            self.line("rest", new, self.reader.answer(wait=True))
            if not new["arrived"]:
                return

    def result(self):
        total = {}
        for line in self.lines:
            for key, value in line.items():
                if key not in ("phase", "at", "share", "offloaded", "stretch"):
                    total[key] = total.get(key, 0) + value
        return {"lines": self.lines, "total": total}


COLUMNS = ("at", "sent", "arrived", "relayed", "by_server", "heartbeats", "passed", "confirmed", "suspended", "offloaded",
           "stretch", "share")


def arguments():
    p = argparse.ArgumentParser()
    for name in ("client", "peer", "server", "relay-ip", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--pid", type=int, required=True)
    for name, value in (("channels", 20000), ("allocations", 200), ("size", 32)):
        p.add_argument("--" + name, type=int, default=value)
    for name, value in (("rate", 2), ("run", 2), ("rest", 98)):
        p.add_argument("--" + name, type=float, default=value)
    p.add_argument("words", nargs="+")
    arg = p.parse_args()
    arg.phases = [word.split("=") for word in arg.words if re.fullmatch(r"(warm|normal|slow|silent|after)=\d+", word)]
    arg.turnctl = arg.words[len(arg.phases):]
    return arg


def main():
    arg = arguments()
    run = Run(arg)
    print(f"{arg.channels} channels bound in {run.bind():.1f} s")
    print("phase  " + "".join(f"{name:>10}" for name in COLUMNS) + "  passed, by reason")
    run.begin()
    try:
        for name, seconds in arg.phases:
            run.throttle.free()
            if name == "slow":
                run.throttle.slow(arg.run, arg.rest)
            if name == "silent":
                run.throttle.stop()
            run.phase(name, float(seconds))
    finally:
        run.throttle.free()
    run.rest()
    with open(arg.out, "w") as f:
        json.dump(run.result(), f)


if __name__ == "__main__":
    main()
