"""`make bench`: what the hub costs, a table a section; `make bench ARGS="ledger chunks"` runs these only."""

import argparse
import sys
import time

import structlog
import uvloop

from bench import (
    chunks,
    completions,
    deltas,
    fanout,
    first_token,
    ledger,
    many_sockets,
    memory,
    replay,
    report,
    sockets,
    two_processes,
    webhooks,
    workflows,
)

SECTIONS = {
    "completions": completions.measure,
    "chunks": chunks.measure,
    "deltas": deltas.measure,
    "first_token": first_token.measure,
    "ledger": ledger.measure,
    "sockets": sockets.measure,
    "fanout": fanout.measure,
    "many_sockets": many_sockets.measure,
    "herd": many_sockets.measure_herd,
    "replay": replay.measure,
    "webhooks": webhooks.measure,
    "workflows": workflows.measure,
    "two_processes": two_processes.measure,
    "memory": memory.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=f"any of: {', '.join(SECTIONS)} (default: all)")
    chosen = parser.parse_args().sections or list(SECTIONS)
    if unknown := [name for name in chosen if name not in SECTIONS]:
        parser.error(f"there is no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))  # errors only: no lines in the tables
    print(report.machine())
    for name in chosen:
        started = time.monotonic()
        figures = uvloop.run(SECTIONS[name]())
        print(f"\n## {name} ({time.monotonic() - started:.0f} s)\n\n{report.table(figures)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
