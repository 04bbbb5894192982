"""Machines: a guest for one run, and everything it takes to make, reach and end one."""
