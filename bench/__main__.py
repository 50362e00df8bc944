"""`python -m bench [names…] [--quick] [--markdown FILE]`: measure, then show the table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench import table
from bench.figures import flood, footprint, micro, scale, throughput
from bench.world import world

NAMES = (*throughput.NAMES, "flood", "footprint", "micro", "scale")


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
        if "flood" in names:
            rows += flood.measure(here, seconds=5 * seconds)
        if "footprint" in names:
            rows += footprint.measure(here, rounds=rounds, seconds=seconds)
        if "micro" in names:
            rows += micro.measure(here)
        if "scale" in names:
            rows += scale.measure(here, rounds=rounds, seconds=seconds)
    table.show(rows)
    if given.markdown:
        table.write(rows, given.markdown)


if __name__ == "__main__":
    main()
