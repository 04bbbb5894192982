"""The livelog: what a build prints is masked as it comes, and sealed as it is kept.

`spellings` says how a secret may be written, `mask` finds and replaces it. `format` and `seal` say what a
sealed log is made of, `write` and `read` are its two ends, `files` is where logs are kept.

What a reader is shown of it: `pages` cuts it into pages, `ansi` turns a line into safe HTML, `groups` folds
it, `failing` finds the line to open at.
"""
