"""A lane as a process: `python -m shuke.integrations.lane_process RUN DIRECTORY LANE settled|open DISCOUNTS`.

It tells each chunk's figures on standard output, and stops when its standard input closes: then the process that started
it is gone.
"""

from __future__ import annotations

import gc
import json
import select
import sys
from pathlib import Path
from uuid import UUID

import django


def main(arguments: list[str]) -> None:
    """Write the lane. What is imported here needs Django to stand."""
    django.setup()
    from shuke.integrations.models import ImportRun
    from shuke.integrations.orders_lane import LaneReader, write_lane
    from shuke.integrations.workspace import open_plan
    from shuke.kit.clock import now

    # A batch is thousands of small objects without cycles: looking for some after every few hundred is a sixth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    run_id, directory, lane, settled, codes = arguments
    run = ImportRun.objects.get(id=UUID(run_id))
    with open_plan(Path(directory)) as plan:
        reader = LaneReader(plan, settled == "settled", json.loads(codes))
        for counts in write_lane(run=run, reader=reader, lane=int(lane), clock=now):
            print(json.dumps(counts.as_dict()), flush=True)
            if select.select([sys.stdin], [], [], 0)[0] and not sys.stdin.read(1):
                return


if __name__ == "__main__":
    main(sys.argv[1:])
