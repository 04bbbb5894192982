"""The keeper: the only process that opens what is sealed, each time for a reason it checks itself.

    sealing, keysets, backends      values are sealed to an owner's public key; the back end wraps the rest
    rules, conditions, admission    decisions: data in, Allowed or Denied out
    statements, authorities, peers  who says what, and whose word counts
    desk                            decides, opens, seals again, writes down, hands out
    server, client, protocol        how one asks
    process, confine                the process from start to stop, and how it is shut in

`kek`, `seal`, `open` and `sealed` are for project keys of the older form.
"""
