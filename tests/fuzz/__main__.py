"""``python -m tests.fuzz``: decode damaged recordings; ``make fuzz`` runs it.

Mutants that fail are kept in ``build/fuzz``, and reproduced by ``--only NAME``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.fuzz import campaign
from tests.fuzz.seeds import SEEDS

_KEPT = Path(__file__).parents[2] / "build" / "fuzz"


def main() -> int:
    """Run a campaign, and return 1 if a mutant failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--decoder", default="sandbox")
    parser.add_argument("--mutants", type=int, default=2500, metavar="N")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="first number of a seed")
    parser.add_argument("--seconds", type=float, default=900.0, help="begin no more after this")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    parser.add_argument("--only", action="append", metavar="SEED/N", help="this mutant alone")
    options = parser.parse_args()
    wanted = options.only or list(campaign.names(options.mutants, options.start))
    report = campaign.run(options.decoder, wanted, jobs=options.jobs, seconds=options.seconds)
    n_read = sum(report.kinds.values())
    counts = ", ".join(f"{kind}: {n}" for kind, n in sorted(report.kinds.items()))
    print(f"{n_read} mutants of {len(SEEDS)} recordings in {report.elapsed_s:.0f} s ({counts})")
    for text, n in report.errors.most_common(12):
        print(f"  {n:5} {text}")
    if report.slowest:
        print(f"the slowest took {report.slowest.elapsed_s:.1f} s: {report.slowest.name}")
    if not report.in_time:
        print(f"{len(wanted) - n_read} were not begun within {options.seconds:g} s")
    for outcome in report.failed:
        print(f"FAILED {outcome.name}: {outcome.text}")
        for name in outcome.name.split(", "):
            _KEPT.mkdir(parents=True, exist_ok=True)
            (_KEPT / name.replace("/", "-")).write_bytes(campaign.data_of(name))
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
