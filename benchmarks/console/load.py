"""A hundred people reading and five planning at once: errors, response times, lost approvals.

``python -m benchmarks.console.load ROOT RESULT.json [--seconds 300]``. A reader opens a page or
asks for figures, reads for two to six seconds, and goes on; a planner drags offsets (five requests
a second for two seconds, then a pause), and in between all planners decide on the same packages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import httpx2 as httpx

from benchmarks.console.server import PASSWORD, Server, console

READERS, PLANNERS = 100, 5
READ_S, PAUSE_S = (2.0, 6.0), (3.0, 8.0)


class Crowd:
    """Everybody who uses the console at once."""

    def __init__(self, server: Server, seconds: float) -> None:
        self.server = server
        self.end = time.monotonic() + seconds
        self.times: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.decided: Counter[str] = Counter()
        self.places: list[tuple[str, str, dict[str, Any]]] = []
        self.before: Counter[str] = Counter()

    async def run(self) -> dict[str, Any]:
        """Let them work, then compare what was answered with what was kept."""
        self._look_round()
        sessions = {name: await self._log_in(name) for name in ("reader", "approver")}
        people = [self._reader(random.Random(i), sessions["reader"]) for i in range(READERS)]
        people += [self._planner(random.Random(-i), sessions["approver"]) for i in range(PLANNERS)]
        await asyncio.gather(*people)
        return self._result()

    def _look_round(self) -> None:
        for night in json.loads(self.server.get("/api/nights")):
            name = night["night_id"]
            self.server.get(f"/api/nights/{name}/map")
            for corridor in json.loads(self.server.get(f"/api/nights/{name}/corridors")):
                self.server.get(f"/api/nights/{name}/corridors/{corridor['corridor_id']}")
                self.places.append((name, corridor["corridor_id"], corridor))
        self.before = self._kept()

    async def _log_in(self, name: str) -> dict[str, str]:
        async with httpx.AsyncClient(base_url=self.server.url) as client:
            told = {"name": name, "password": PASSWORD}
            answer = await client.post("/api/session", json=told)
            cookie = answer.cookies["tb_session"]
            return {"cookie": f"tb_session={cookie}", "x-csrf-token": answer.json()["csrf"]}

    async def _ask(
        self, client: httpx.AsyncClient, kind: str, method: str, path: str, **more: Any
    ) -> httpx.Response | None:
        start = time.monotonic()
        try:
            answer = await client.request(method, path, **more)
        except httpx.HTTPError as error:
            self.errors[f"{kind} {type(error).__name__}"] += 1
            return None
        self.times[kind].append(time.monotonic() - start)
        if answer.status_code >= 400 and not (kind == "decide" and answer.status_code == 409):
            self.errors[f"{kind} {answer.status_code}"] += 1
        return answer

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.server.url, headers=headers, timeout=60)

    async def _reader(self, dice: random.Random, headers: dict[str, str]) -> None:
        async with self._client(headers) as client:
            await asyncio.sleep(dice.uniform(0, READ_S[1]))
            while time.monotonic() < self.end:
                night, corridor, told = dice.choice(self.places)
                junction = dice.choice(told["junction_ids"])
                kind, path = dice.choice(
                    [
                        ("page", f"/nights/{night}/morning"),
                        ("page", f"/nights/{night}/map"),
                        ("map", f"/api/nights/{night}/map"),
                        ("page", f"/nights/{night}/corridors/{corridor}"),
                        ("page", f"/nights/{night}/junctions/{junction}"),
                        ("page", f"/nights/{night}/plans"),
                        ("search", f"/api/nights/{night}/search?q={dice.choice('abcdehlsz')}"),
                    ]
                )
                await self._ask(client, kind, "GET", path)
                await asyncio.sleep(dice.uniform(*READ_S))

    async def _planner(self, dice: random.Random, headers: dict[str, str]) -> None:
        async with self._client(headers) as client:
            while time.monotonic() < self.end:
                night, corridor, told = dice.choice(self.places)
                for offset in range(10):
                    body = {"offsets_s": {told["junction_ids"][0]: 3 * offset}}
                    path = f"/api/nights/{night}/corridors/{corridor}/try"
                    await self._ask(client, "try", "POST", path, json=body)
                    await asyncio.sleep(0.2)
                base = f"/api/nights/{night}/proposals/night"
                act = dice.choice(["approve", "reject"])
                answer = await self._ask(
                    client, "decide", "POST", f"{base}/{act}", json={"note": "benchmark"}
                )
                if answer is not None and answer.status_code == 200:
                    self.decided[f"{night} {answer.json()['state']}"] += 1
                await asyncio.sleep(dice.uniform(*PAUSE_S))

    def _kept(self) -> Counter[str]:
        """Decisions in the audit logs, by night and kind."""
        kept: Counter[str] = Counter()
        for night in {night for night, _, _ in self.places}:
            for entry in json.loads(self.server.get(f"/api/nights/{night}/decisions")):
                if entry["state"] != "proposed":
                    kept[f"{night} {entry['state']}"] += 1
        return kept

    def _result(self) -> dict[str, Any]:
        kept = self._kept() - self.before
        every = [t for values in self.times.values() for t in values]
        return {
            "readers": READERS,
            "planners": PLANNERS,
            "requests": len(every),
            "errors": dict(self.errors),
            "p95_ms": _p95(every),
            "by_kind": {
                kind: {"count": len(values), "p95_ms": _p95(values)}
                for kind, values in sorted(self.times.items())
            },
            "decided": dict(self.decided),
            "lost_decisions": sum(((self.decided - kept) + (kept - self.decided)).values()),
            "server_memory_mb": round(self.server.memory_mb()),
        }


def _p95(values: list[float]) -> float:
    return round(1000 * sorted(values)[int(0.95 * (len(values) - 1))], 1) if values else 0.0


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("--seconds", type=float, default=300)
    told = parser.parse_args()
    with console(told.root) as running:
        found = asyncio.run(Crowd(running, told.seconds).run())
    told.result.write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found, indent=1))
