"""Set-up shared by all tests: Hypothesis profiles."""

import os

from hypothesis import settings

# No deadline in either: a first call that imports or compiles is slow once, and that is no failure.
settings.register_profile("default", deadline=None)
# The same examples every time, and no database that a failure could be left in.
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "default")
)

pytest_plugins = ["virtsim.testing.fixtures"]
