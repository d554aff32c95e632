"""What a look at a schedule does beside deciding on its ticks."""

import datetime as dt
import time
from pathlib import Path

from cluster.scheduledocs import Definition, Record
from cluster.schedules import ScheduleFolder
from cluster.storage import Storage
from jobs.schedulespec import Notice
from runner.recurring.attendance import Attendance
from runner.recurring.desk import Desk
from runner.recurring.notify import post
from tests.runner.webhooks import webhook

BEGIN = dt.datetime.now(dt.UTC).replace(microsecond=0)  # what is posted is dated by this clock
JOB = """
name: night
data: {{path: data, time: t, target: y}}
window: {{horizon: 1}}
notify: [{{webhook: '{url}'}}]
"""


def test_a_receiver_that_hangs_holds_up_no_tick(tmp_path: Path) -> None:
    folder = ScheduleFolder.of(Storage.open(str(tmp_path)), "night")
    folder.define(Definition("0 2 * * *", "UTC", BEGIN, BEGIN, "somebody"))
    with webhook() as hook:
        folder.write(folder.JOB, JOB.format(url=hook.url).encode())
        hook.answers = ["400", "hang"]
        post(folder, [Notice(webhook=hook.url)], Record(BEGIN, "kept", "me", "why"))
        assert len(hook.asked) == 1
        attendance, began = Attendance(Desk(folder)), time.monotonic()
        found = attendance.attend(BEGIN + dt.timedelta(days=1), room=True)
        assert time.monotonic() - began < 5
        assert found.run is not None
        while len(hook.asked) == 1:  # it is told all the same
            assert time.monotonic() - began < 30
            time.sleep(0.1)
