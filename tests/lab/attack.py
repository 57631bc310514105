#!/usr/bin/python3
"""turn.py, and what only somebody with bad intentions would send.

Besides turn.py's commands:

  wire NAME END DEV MAC                 frames of END's node leave by DEV, to MAC; see forge
  echo NAME NETNS ADDR:PORT             a service that sends back whatever it is sent
  watch NAME END DEV ADDR [FROM]        counts the UDP packets that reach END's node by DEV for ADDR (from FROM)
  watched NAME                          how many there were: packets
  forge WIRE FROM TO WHAT…              frames with these addresses. WHAT is data:NUMBER, request:METHOD (which draws a
                                        401), stale:METHOD (438), malformed:METHOD (400), ask:METHOD (401) and, under the
                                        last one's transaction, granted:METHOD and gone:METHOD; kept:request|response
  said CLIENT COUNT                     waits for COUNT error answers: their codes, sorted
  keep CLIENT NUMBER PEER               binds, and keeps request and response
  flood WIRE FROM TO COUNT              Allocate requests, each with a transaction of its own
  stain CLIENT NUMBER PEER UP DOWN SECONDS
                                        five packets each way with a wrong UDP checksum (by wires UP and DOWN) to each
                                        that is sound, and is awaited: rounds, and packets that came
  lag CLIENT PEER GOOD WIRE SECONDS     of the peers of `binds`, the first GOOD send small packets, and the others such as
                                        the server has to fragment, since a router seems to want it
  fill CLIENT COUNT PEERADDR            as many ChannelBinds, to as many ports: granted
  pretend CLIENT HOW ECHO RELAY BAD     has an echo service say that CLIENT has channel 0x4000 to BAD by RELAY, another
"""
import errno
import os
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True

# ruff: noqa: E402
import turn
from turn import (ERROR, LIFETIME, METHODS, NONCE, PATIENCE, REALM, RELAYED, TRANSPORT, USERNAME, Wrong, attribute,
                  bind_attributes, checksum, clients, datagram, end, endpoint, enter, error_code, message, packet_socket,
                  parse, payload, peers, xored)

BINDING, SUCCESS, SOFTWARE = 0x0001, 0x0100, 0x8022
UDP_FLAGS = attribute(TRANSPORT, b"\x11\0\0\0")
wires, watches, echoes, kept = {}, {}, {}, {}

HIDDEN = {                                       # from XDP programs as they read packets, but not from the stack
    "fragments": {"piece": 24}, "tiny-fragments": {"piece": 8}, "ip-options": {"options": True},
    "broadcast-frame": {"mac": b"\xff" * 6}, "priority-tag": {"tag": b"\x81\0\xe0\0"},
    "priority-tags": {"tag": 5 * b"\x81\0\xe0\0"}}
UNHEARD = {                                      # by any server, but XDP programs see it
    "wrong-udp-checksum": {"bad": "udp"}, "wrong-ip-checksum": {"bad": "ip"}}


class Wire:
    """Frames to one station of a device's link."""

    def __init__(self, netns, dev, mac):
        self.sock, self.mac = packet_socket(netns, dev), bytes.fromhex(mac.replace(":", ""))
        self.own = self.sock.getsockname()[4]

    def put(self, frame):
        for _ in range(1000):                    # the far end's queue is full: nothing was sent
            try:
                return self.sock.send(frame)
            except OSError as e:
                if e.errno != errno.ENOBUFS:
                    raise
                time.sleep(0.001)
        raise Wrong("the far end takes no more")

    def send(self, source, to, data, mac=None, tag=b"", **how):
        for packet in datagram(source, to, data, ident=int.from_bytes(os.urandom(2), "big"), **how):
            self.put((mac or self.mac) + self.own + tag + b"\x08\0" + packet)


def do_wire(name, at, dev, mac):
    wires[name] = Wire(end(at).netns, dev, mac)
    return {"ok": True}


# ---- who gets what ----

def do_watch(name, at, dev, addr, source=None):
    enter(end(at).netns)
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, 0)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    sock.bind((dev, 0x0800))
    sock.setblocking(False)
    watches[name] = [sock, socket.inet_aton(addr), source and socket.inet_aton(source), 0]
    return {"ok": True}


def do_watched(name):
    watch = watches[name]
    while True:
        try:
            packet, (_, _, kind, *_) = watch[0].recvfrom(2048)
        except BlockingIOError:
            return {"ok": True, "packets": watch[3]}
        if kind == socket.PACKET_HOST and packet[9] == 17 and packet[16:20] == watch[1] and \
                watch[2] in (None, packet[12:16]):
            watch[3] += 1


def until(receiver, wanted):
    """What @receiver gets until a packet of which @wanted is true, that one last."""
    got, patience = [], time.monotonic() + 3 * PATIENCE
    while packet := receiver.receive(patience):
        got.append(packet[0])
        if wanted(packet[0]):
            return got
    raise Wrong("no answer")


def heard(client):
    """What the server has said by the time it answers a Binding request, which is when it has seen all before that."""
    mark = os.urandom(12)
    client.send(message(BINDING, mark, b""), client.server)
    return until(client, lambda data: data[8:20] == mark)[:-1]


# ---- forged by somebody else ----

def forged(kind, word):
    """What @kind:@word stands for."""
    named = attribute(USERNAME, b"demo") + attribute(REALM, b"lab.test") + attribute(NONCE, b"0123456789abcdef")
    if kind == "kept":
        return kept[word]
    if kind == "data":
        return struct.pack("!HH", int(word, 0), 100) + payload(100)
    if kind == "granted":                        # all that a success of any method may say
        return message(SUCCESS | METHODS[word], kept["transaction"],
                       attribute(RELAYED, xored("10.7.1.2", 51999)) + attribute(LIFETIME, b"\0" * 4))
    if kind == "gone":
        return message(0x0110 | METHODS[word], kept["transaction"], attribute(ERROR, b"\0\0\x04\x25"))
    kept["transaction"] = os.urandom(12)
    attributes = {"request": b"", "stale": named, "malformed": named[:8],
                  "ask": UDP_FLAGS if word == "allocate" else bind_attributes(0x4005, ("10.7.1.3", 9))}[kind]
    return message(METHODS[word], kept["transaction"], attributes, None if kind in ("request", "ask") else b"wrong")


def do_forge(wire, source, to, *what):
    for one in what:
        kind, _, word = one.partition(":")
        wires[wire].send(endpoint(source), endpoint(to), forged(kind, word))
    return {"ok": True}


def do_said(name, count):
    said = []
    while len(said) < int(count):
        kind, _, found = parse(until(clients[name], lambda data: data[0] == 0x01)[-1])
        said += [error_code(found)] if kind & 0x0110 == 0x0110 else []
    return {"ok": True, "said": sorted(said)}


def do_keep(name, number, peer):
    client, transaction = clients[name], os.urandom(12)
    kept["request"] = client.asks("bind", bind_attributes(int(number, 0), endpoint(peer)), transaction)
    client.send(kept["request"], client.server)
    kept["response"] = until(client, lambda data: data[8:20] == transaction)[-1]
    kind, _, found = parse(kept["response"])
    return {"ok": kind & 0x0110 == SUCCESS, "error": error_code(found)}


def do_stain(name, number, peer, up, down, seconds):
    client, peer, number = clients[name], peers[peer], int(number, 0)
    source, other = client.sock.getsockname(), peer.sock.getsockname()
    got, rounds, end_of_it = 0, 0, time.monotonic() + float(seconds)
    while time.monotonic() < end_of_it:
        rounds += 1
        for _ in range(5):
            wires[up].send(source, client.server, client.data(number, payload(100)), bad="udp")
            wires[down].send(other, client.relay, payload(100), bad="udp")
        data = payload(100)
        client.send(client.data(number, data), client.server)
        peer.send(data, client.relay)
        got += len(until(peer, lambda got: got == data)) + len(until(client, lambda got: data in got))
    return {"ok": True, "rounds": rounds, "got": got}


def do_lag(name, peer, good, wire, seconds):
    client, row, wire = clients[name], turn.rows[peer], wires[wire]
    wire.put(wire.mac + wire.own + b"\x08\0" + needs_fragments(client.sock.getsockname(), client.server))
    end_of_it = time.monotonic() + float(seconds)
    while time.monotonic() < end_of_it:
        for i, at in enumerate(row):
            at.send(payload(100 if i < int(good) else 1000), client.relay)
        while client.receive(time.monotonic() + 0.01):
            pass
    return {"ok": True}


def do_flood(wire, source, to, count):
    """By hand: 100,000 are to take a second."""
    wire, to, data = wires[wire], endpoint(to), message(METHODS["allocate"], b"\0" * 12, UDP_FLAGS)
    packet = datagram((source, 1024), to, data)[0]
    frame = bytearray(wire.mac + wire.own + b"\x08\0" + packet)
    frame[40:42] = b"\0\0"                       # no UDP checksum
    for i in range(int(count)):
        struct.pack_into("!H", frame, 34, 1024 + i % 50)
        struct.pack_into("!QI", frame, 50, random_base, i)
        wire.put(frame)
    return {"ok": True, "sent": int(count)}


random_base = int.from_bytes(os.urandom(8), "big")


def do_fill(name, count, addr):
    client, granted = clients[name], 0
    for i in range(int(count)):
        granted += client.request("bind", bind_attributes(0x4000 + i, (addr, 10000 + i)))["ok"]
    return {"ok": True, "granted": granted}


# ---- a service that is no TURN server ----

class Echo(turn.End):
    """Answers in a thread of its own, but for as long as it is @held."""

    def __init__(self, netns, addr, port):
        super().__init__(netns, addr, port)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 106496)    # as is usual
        self.sock.setblocking(True)
        self.held = threading.Lock()
        threading.Thread(target=self.answer, daemon=True).start()

    def answer(self):
        while True:
            data, source = self.sock.recvfrom(65536)
            with self.held:
                self.sock.sendto(data, source)


def do_echo(name, netns, at):
    echoes[name] = Echo(netns, *endpoint(at))
    return {"ok": True}


def do_pretend(name, how, echo, relay, bad):
    """How the requests come, and after a + the answers that are to be echoed: as in HIDDEN or UNHEARD; or "overflow"
    (the service's buffer is full), "cut" (what it sends back is fragmented, as some router seems to want),
    "other-device" (where the peers are)."""
    client, wire, bad, service = clients[name], wires[name], endpoint(bad), echoes[echo]
    source, to, relay = (at.sock.getsockname() for at in (client, service, echoes[relay]))
    ask, _, say = how.partition("+")
    filler = attribute(SOFTWARE, b"x" * 700) if ask == "cut" else b""

    def settle():
        """The service has answered what went before."""
        mark, again = b"\0" * 4 + os.urandom(16), time.monotonic() + 3 * PATIENCE
        while time.monotonic() < again:          # its buffer may be full
            client.send(mark, to)
            while packet := client.receive(time.monotonic() + 0.2):
                if packet[0] == mark:
                    return
        raise Wrong("no echo")

    def act(method, request, response):
        transaction = os.urandom(12)
        request = message(METHODS[method], transaction, request + filler, b"any")
        with service.held if ask == "overflow" else threading.Lock():
            for _ in range(1000 if ask == "overflow" else 0):
                wire.send(source, to, b"")
            wire.send(source, to, request, **{**HIDDEN, **UNHEARD}.get(ask, {}))
        settle()
        way = wires["other"] if say == "other-device" else wire
        way.send(source, to, message(SUCCESS | METHODS[method], transaction, response), **HIDDEN.get(say, {}))
        settle()

    if ask == "cut":
        wire.put(wire.mac + wire.own + b"\x08\0" + needs_fragments(source, to))
    act("allocate", UDP_FLAGS, attribute(RELAYED, xored(*relay)) + attribute(LIFETIME, struct.pack("!I", 600)))
    act("bind", bind_attributes(0x4000, bad), b"")
    for _ in range(3):                           # and the proof, by both services
        data = payload(100)
        client.send(client.data(0x4000, data), to)
        wires["other"].send(bad, relay, data)
        settle()
        data = payload(100)
        wires["other"].send(bad, relay, data)
        client.send(client.data(0x4000, data), to)
        settle()
    return {"ok": True}


def needs_fragments(source, to):
    """An ICMP message, seemingly of a router, that @to's packets to @source are to be 600 bytes at most."""
    quoted = datagram(to, source, b"")[0]
    icmp = struct.pack("!BBHHH", 3, 4, 0, 0, 600) + quoted
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(icmp), 0, 0, 64, 1, 0)
    ips = socket.inet_aton(source[0]) + socket.inet_aton(to[0])
    return head[:10] + struct.pack("!H", checksum(head + ips)) + ips + icmp


if __name__ == "__main__":
    turn.main({**vars(turn), **globals()})
