from __future__ import annotations

from rich.console import Console

from runner.conductor import Conductor
from runner.progress import LineProgress, LiveProgress
from runner.schedulers import make_scheduler
from runner.search import RandomSearch
from tests.runner.curves import make_job
from tests.runner.events import report
