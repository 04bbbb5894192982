"""Benchmarks: `make bench`. Each module with a `measure` is a part of the table."""
