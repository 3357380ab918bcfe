"""Loaded last into the process that all services are forked from: what is in memory now is never looked through again.

Python's garbage collector writes to every object it looks at, and a page that is written to is no longer shared. Frozen, the
libraries stay one copy for all services (`gc.freeze`, Python documentation: "if a process will fork").
"""

import gc

gc.collect()
gc.freeze()
