"""The doors: what the world reaches over HTTPS. It knows ports and can start nothing.

Start with `app.py`, which puts the doors together, and `security.py`, which stands before all of them.
"""
