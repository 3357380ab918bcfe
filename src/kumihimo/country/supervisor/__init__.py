"""The supervisor (監視役): one process per trust boundary, started together, kept up, stopped together.

Every service runs in its own process with its own keys and store. The processes are forked from one clean server process
that has loaded the libraries but no keys, which makes 28 of them start in seconds and share memory for code only. The
supervisor holds the listening sockets: while a service is started again, its callers wait instead of being refused.

A service that dies is started again, loudly, with growing pauses (`deaths`); one that dies again and again stops the whole
country, since a country that runs with a part missing would hide it.
"""

from kumihimo.country.supervisor.attending import Supervisor, attended, kept_up, running
from kumihimo.country.supervisor.deaths import Death, Patience, deaths_of
from kumihimo.country.supervisor.orders import Restarted, restart
from kumihimo.country.supervisor.presence import bring_down, is_up, not_running, pids
from kumihimo.country.supervisor.service import run_service

__all__ = [
    "Death",
    "Patience",
    "Restarted",
    "Supervisor",
    "attended",
    "bring_down",
    "deaths_of",
    "is_up",
    "kept_up",
    "not_running",
    "pids",
    "restart",
    "run_service",
    "running",
]
