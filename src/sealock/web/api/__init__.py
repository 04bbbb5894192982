"""The REST API, /api/v1: what is asked for and answered, for programs, the command line and other websites.

`routes.router` has all of it, one file for each thing it is about. `shapes` is the JSON; every door names who
may come through it (`web.asking`).
"""
