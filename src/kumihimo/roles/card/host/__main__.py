"""`python -m kumihimo.roles.card.host`: what the installed native-messaging program runs."""

import os
import sys

from kumihimo.roles.card.host.main import main

status = main()
sys.stderr.flush()
# At once: everything has been written, and tearing down an interpreter with a window and waiting threads gains nothing.
os._exit(status)
