"""Under mutation testing the same few examples each time: a mutant that lives, lives in every run."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("mutants", database=None, deadline=None, derandomize=True, max_examples=30)
if "MUTANT_UNDER_TEST" in os.environ:  # which mutmut sets
    settings.load_profile("mutants")
