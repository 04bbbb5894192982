"""The build queue: rows with leases in the database, by its clock and under its locks.

`database` is the queue, `memory` one that forgets, for tests; both decide by `core.queue_rules`. `wakeups`
save those who wait some seconds, and are never needed.
"""
