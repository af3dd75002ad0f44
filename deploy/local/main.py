"""Entry of the commands beside this file."""

import sys

from oclocal.cli import main

sys.exit(main())
