"""The checker: reads the history of a run and says of each invariant how often it held and where it didn't."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "doubles"))  # protos, topics
