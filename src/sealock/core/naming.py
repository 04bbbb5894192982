"""What names look like, in words for whoever typed another one: every door says the same of the same name.

Nobody who runs a build has to read a regular expression. The rules themselves stand with their nouns.
"""

from __future__ import annotations

import re

from sealock.core.plan import PIPELINE_NAME
from sealock.core.project import PROJECT_NAME
from sealock.core.queue import LABEL
from sealock.core.sealed import SEALED_NAME
from sealock.core.workers import WORKER_NAME

_SMALL = "Use small letters, digits, dots, underscores and hyphens, at most 63, a letter or digit first."

_WORDS = {
    PROJECT_NAME.pattern: _SMALL,
    LABEL.pattern: _SMALL,
    WORKER_NAME.pattern: "Use small letters, digits, dots and hyphens, at most 63, a letter or digit first.",
    PIPELINE_NAME.pattern: "Use letters, digits, dots, underscores and hyphens, at most 63, a letter or "
    "digit first.",
    SEALED_NAME.pattern: "Use letters, digits, dots, underscores and hyphens, at most 128, a letter, digit "
    "or underscore first.",
}


def rule_of(name: re.Pattern[str]) -> str:
    """What a name of that kind is made of: a sentence that says what to do. KeyError for no kind of name."""
    return _WORDS[name.pattern]
