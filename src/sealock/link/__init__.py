"""A worker's end of the wire: it claims builds of a website, runs them here, and tells how they go.

`worker.py` is the loop over all builds, `running.py` one build, `website.py` what is asked for over HTTPS.
Machines and the keeper are ports here too: this room knows no adapter.
"""
