"""Keys by which a request that is sent twice is done once (`web.ports.IdempotencyPort`)."""

from __future__ import annotations

LONGEST_KEY = 255
"""Characters; printable ASCII."""
