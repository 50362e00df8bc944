"""`python -m bench [names…] [--quick] [--markdown FILE]`: measure, then show the table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from bench import table
from bench.figures import browser, flood, footprint, kit, micro, provider, scale, throughput
from bench.world import World, world

_OF_THE_SERVER = (*throughput.NAMES, *browser.NAMES, *provider.NAMES, "flood", "footprint", "micro", "scale")
NAMES = (*_OF_THE_SERVER, *kit.NAMES)


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
    if names & set(kit.NAMES):
        rows += kit.measure(rounds=rounds, seconds=seconds)
    if names & set(_OF_THE_SERVER):
        with world() as here:
            rows += _of_the_server(here, names, rounds, seconds)
    table.show(rows)
    if given.markdown:
        table.write(rows, given.markdown)


def _of_the_server(here: World, names: set[str], rounds: int, seconds: float) -> list[table.Row]:
    rows = []
    if names & set(throughput.NAMES):
        rows += throughput.measure(here, throughput.base(here), names, rounds=rounds, seconds=seconds)
    if names & set(browser.NAMES):
        rows += browser.measure(here, names, rounds=rounds, seconds=seconds)
    if names & set(provider.NAMES):
        rows += provider.measure(here, names, rounds=rounds, seconds=seconds)
    if "flood" in names:
        rows += flood.measure(here, seconds=5 * seconds)
    if "footprint" in names:
        rows += footprint.measure(here, rounds=rounds, seconds=seconds)
    if "micro" in names:
        rows += micro.measure(here)
    if "scale" in names:
        rows += scale.measure(here, rounds=rounds, seconds=seconds)
    return rows


if __name__ == "__main__":
    main()
