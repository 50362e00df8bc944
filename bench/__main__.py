"""`python -m bench [names…] [--quick] [--markdown FILE]`: measure, then show the table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench import table
from bench.figures import throughput
from bench.world import world

_OTHERS: tuple[str, ...] = ()
NAMES = (*throughput.NAMES, *_OTHERS)


def main() -> None:
    """Run the named figures, all when none is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="short rounds: seconds instead of minutes, more noise")
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = set(given.names or NAMES)
    rounds, seconds = (3, 2.0) if given.quick else (5, 6.0)
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    rows = []
    with world() as here:
        if names & set(throughput.NAMES):
            url = throughput.base(here)
            rows += throughput.measure(here, url, names, rounds=rounds, seconds=seconds)
    table.show(rows)
    if given.markdown:
        table.write(rows, given.markdown)


if __name__ == "__main__":
    main()
