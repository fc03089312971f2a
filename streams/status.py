"""/metrics and /health of a worker. Healthy means that readings are being scored, not that a process is alive."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from aiohttp import web

from streams.config import ConfigError
from streams.metrics import Metrics
from streams.steward import Steward

PATIENCE = 60.0
"""s without progress, or with a sink that refuses everything, before a worker is not healthy any more"""


def health(steward: Steward | None, *, every: float) -> dict[str, Any]:
    """`status` and, where it is not `scoring` or `standby`, why. every: s between checkpoints."""
    if steward is None:
        return {"status": "starting", "reasons": ["the kernels are being compiled"]}
    worker, reasons = steward.worker, list(_reasons(steward, max(PATIENCE, 10 * every)))
    status = "failing" if reasons else "scoring" if worker.owned else "standby"
    lag = {str(number): steward.lag(number) for number in worker.owned}
    return {"status": status, "reasons": reasons, "pipeline": worker.pipeline.name, "lag": lag}


def _reasons(steward: Steward, oldest: float) -> Iterator[str]:
    """Why this worker cannot be said to score; oldest: s since the last snapshot, where there is something to save."""
    worker, now = steward.worker, time.monotonic()
    if worker.broken:
        yield "the state is half changed: the worker is about to start again"
    if not steward.member():
        yield "not certainly a member of its group: nothing was heard of the broker for a session timeout"
    for number in worker.owned:
        if (idle := now - steward.scored_at.get(number, now)) > PATIENCE:
            yield f"partition {number}: {steward.lag(number)} records wait, none was read for {idle:.0f} s"
    for outbox in worker.delivery.outboxes:
        if outbox.busy_since is not None and (busy := now - outbox.busy_since) > PATIENCE:
            yield f"{outbox.name} has accepted nothing for {busy:.0f} s"
    for number, owned in worker.owned.items():
        if owned.changed and (age := now - owned.saved_at) > oldest:
            yield f"partition {number}: no snapshot was written for {age:.0f} s"


@asynccontextmanager
async def serving(listen: str, metrics: Metrics, *, every: float) -> AsyncIterator[None]:
    """Answer at HOST:PORT meanwhile; an empty address = nowhere. Raises ConfigError if that is not possible."""
    if not listen:
        yield
        return

    async def told(_: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def healthy(_: web.Request) -> web.Response:
        found = health(metrics.steward, every=every)
        status = 200 if found["status"] in ("scoring", "standby") else 503
        return web.Response(body=orjson.dumps(found), status=status, content_type="application/json")

    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(f"metrics.listen: HOST:PORT such as 127.0.0.1:9464; got {listen!r}")
    app = web.Application()
    app.add_routes([web.get("/metrics", told), web.get("/health", healthy)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, int(port)).start()
        except OSError as error:
            raise ConfigError(f"metrics.listen: {listen} cannot be used ({error.strerror})") from None
        yield
    finally:
        await runner.cleanup()
