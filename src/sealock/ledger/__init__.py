"""The ledger: receipts, made, signed, kept and checked.

`predicates` is what a receipt may say, `statement` makes one of a build's record, `signing` and `envelope`
sign it, `receipts` keeps it, `checks` and `verify` decide what to think of one.
"""
