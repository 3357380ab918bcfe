"""Run by `test_group_commit`: eight callers append and print each number once it is answered, until the process dies."""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Sequence

from sqlalchemy import Connection, MetaData, Table, insert

from kumihimo.plumbing.storage import GroupCommitWriter, open_engine


def main(url: str) -> None:
    engine = open_engine(url)
    entries = Table("entry", MetaData(), autoload_with=engine)

    def append(conn: Connection, items: Sequence[int]) -> Sequence[int]:
        conn.execute(insert(entries), [{"id": item, "line": f"inquiry {item}"} for item in items])
        return items

    writer = GroupCommitWriter(engine, append)

    def call(numbers: itertools.count[int]) -> None:
        for number in numbers:
            # One write call a line: a line is in the pipe whole or not at all.
            os.write(1, f"{writer.submit(number)}\n".encode())

    callers = [threading.Thread(target=call, args=(itertools.count(start, 8),)) for start in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()


if __name__ == "__main__":
    main(sys.argv[1])
