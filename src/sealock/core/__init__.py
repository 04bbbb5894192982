"""The words of Sealock: one noun a file, with its states and its port. Standard library only.

Start with `machine`, `build` and `plan`; `errors` says how anything goes wrong.
"""
