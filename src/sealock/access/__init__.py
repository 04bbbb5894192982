"""Who may come in: certificates of the installation's own authority, passwords, sessions and tokens.

Logic only: records lie behind `core.access.AccessRecords`. Start with `authority.py` and `sessions.py`.
"""
