"""A small HTTP load generator: keep-alive sockets in one loop, so that it takes little of the machine it measures.

Run as a process of its own: `python -m benchmarks.load PORT CLIENTS SECONDS < plan.json`.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import sys
import time
from typing import Any
from uuid import uuid4


def request(plan: dict[str, Any]) -> bytes:
    """The next request of a plan, as bytes."""
    kind, secret = plan["kind"], plan["secret"]
    key = ""
    if kind == "commit":
        members, products = plan["members"], plan["products"]
        lines = ",".join(
            f'{{"sku":"P{random.randrange(products)}","quantity":{random.randint(1, 4)}}}' for _ in range(3)
        )
        body = (
            f'{{"store":"S1","channel":"pos","system":"bench","number":"{uuid4().hex}",'
            f'"member":{{"kind":"phone","value":"+86139{random.randrange(members):08d}"}},"lines":[{lines}]}}'
        )
        path, key = "/api/v1/orders", f"Idempotency-Key: {uuid4().hex}\r\n"
    elif kind in ("plain", "money", "again", "one", "spread", "coupons"):
        path, key, body = _sale(plan, kind)
    elif kind == "quote":
        lines = ",".join(f'{{"sku":"P{random.randrange(plan["products"])}","quantity":2}}' for _ in range(3))
        body = (
            '{"store":"S1","channel":"pos","member":{"kind":"phone","value":'
            f'"+86139{random.randrange(plan["members"]):08d}"}},"lines":[{lines}]}}'
        )
        path = "/api/v1/quotes"
    elif kind == "identify":
        body = f'{{"kind":"phone","text":"+86139{random.randrange(plan["members"]):08d}"}}'
        path = "/api/v1/members/identify"
    else:
        head = f"GET /api/v1/ping HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n"
        return head.encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n{key}"
        f"Content-Type: application/json\r\nContent-Length: {len(body.encode())}\r\n\r\n{body}"
    ).encode()


def _sale(plan: dict[str, Any], kind: str) -> tuple[str, str, str]:
    """Path, key and body of a sale of five lines: plain, with points and stored value, sent again, or all at one member."""
    who = 0 if kind == "one" else random.randrange(plan["members"])
    coupons: list[str] = []
    if kind == "coupons":
        who, *coupons = plan["pieces"].pop()
    # Sent again means the same key and the same bytes as one of a few sales that were sold before.
    dice = random.Random(random.randrange(40)) if kind == "again" else random
    if kind == "again":
        who = 0
    number = f"again-{dice.random()}" if kind == "again" else uuid4().hex
    lines = ",".join(
        f'{{"sku":"P{dice.randrange(plan["products"])}","quantity":{dice.randint(2, 4)}}}' for _ in range(5)
    )
    pays = ',"points_to_use":100,"tenders":[{"kind":"stored_value"}]' if kind == "money" else ""
    if coupons:
        pays = f',"points_to_use":100,"coupons":{json.dumps(coupons)}'
    body = (
        f'{{"store":"S1","channel":"pos","system":"bench","number":"{number}",'
        f'"member":{{"kind":"phone","value":"+86139{who:08d}"}}{pays},"lines":[{lines}]}}'
    )
    return "/api/v1/orders", f"Idempotency-Key: {number}\r\n", body


class Client:
    """One keep-alive connection with one request under way."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.sent = 0.0

    def send(self, data: bytes) -> None:
        self.sent = time.perf_counter()
        self.sock.sendall(data)

    def receive(self) -> bytes | None:
        """The whole response, or None while parts are missing."""
        chunk = self.sock.recv(65536)
        if not chunk:
            raise ConnectionError("the server closed the connection")
        self.buffer += chunk
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        length = next(
            int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")
        )
        if len(rest) < length:
            return None
        response, self.buffer = self.buffer, b""
        return response


def main() -> None:
    """Load for a time; print counts and latencies as JSON."""
    port, clients, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    plan = json.load(sys.stdin)
    selector = selectors.DefaultSelector()
    done, latencies, failures = 0, [], []
    started = time.perf_counter()
    for _ in range(clients):
        client = Client(port)
        client.send(request(plan))
        selector.register(client.sock, selectors.EVENT_READ, client)
    open_ = clients
    while open_:
        for event, _ in selector.select():
            client = event.data
            response = client.receive()
            if response is None:
                continue
            now = time.perf_counter()
            latencies.append(now - client.sent)
            if response[9:10] == b"2":
                done += 1
            elif len(failures) < 3:
                failures.append(response.decode(errors="replace")[:600])
            if now - started < seconds:
                client.send(request(plan))
            else:
                selector.unregister(client.sock)
                open_ -= 1
    latencies.sort()
    print(
        json.dumps(
            {
                "requests": len(latencies),
                "ok": done,
                "seconds": time.perf_counter() - started,
                "p50_ms": latencies[len(latencies) // 2] * 1000,
                "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
                "failures": failures,
            }
        )
    )


if __name__ == "__main__":
    main()
