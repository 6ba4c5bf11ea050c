"""Random mutations of valid plans: does the rules' judge find and name each planted violation?

``python -m benchmarks.mutations [PLANS] [FIRST_SEED]``, 10,000 plans unless told otherwise, made
for junctions of the maps that are installed and for made-up ones. Every plan, mutated or not, is
also judged second by second over its lamp pictures (``tests/reference/lamp_bruteforce.py``).
Prints what was judged and every disagreement; exit code 1 if there is one.
"""

from __future__ import annotations

import json
import sys
import time
from random import Random

from tests.reference.mutations import PLANTERS, trial
from tests.reference.valid_plans import real_sites

SHOWN = 20


def main(arguments: list[str]) -> int:
    """Judge until there are enough plans; returns the exit code."""
    wanted = int(arguments[0]) if arguments else 10_000
    seed = int(arguments[1]) if len(arguments) > 1 else 0
    start = time.process_time()
    judged, trials = 0, 0
    failures: list[str] = []
    while judged < wanted:
        count, failed = trial(Random(seed + trials))
        failures += [f"seed {seed + trials}, {failure}" for failure in failed]
        judged += count
        trials += 1
    for failure in failures[:SHOWN]:
        print(failure)
    result = {
        "plans_judged": judged,
        "valid_plans": trials,
        "kinds_of_planted_violation": len(PLANTERS) + 1,
        "real_junctions": len(real_sites()),
        "first_seed": seed,
        "failures": len(failures),
        "cpu_s": round(time.process_time() - start, 1),
    }
    print(json.dumps(result, indent=1))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
