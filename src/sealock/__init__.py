"""Sealock: CI that forgets your code."""

__version__ = "0.1.0"
