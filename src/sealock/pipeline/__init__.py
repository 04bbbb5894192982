"""Configuration in, plan out: `sealock.yml`, read as a stranger wrote it.

The way of a file: `decode` (bytes to text), `tree` (text to values that know their position),
`configuration` (values to a checked model), `plan` (model to what a build will do). `reader` joins them.
"""
