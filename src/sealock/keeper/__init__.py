"""The keeper: makes project keys sealed, and opens them for one build.

`kek` is the one key that is not in the store, `sealed` the form everything sealed has, `seal` and `open`
the two directions.
"""
