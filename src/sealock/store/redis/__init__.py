"""Redis or Valkey, for what several websites tell each other and may lose: wake-ups, and counts of requests.

`address` says where it is and whether the way there is safe, `wakeups` and `rates` use it. Nothing is only
there: when it is away, websites look every few seconds, and count for themselves.
"""
