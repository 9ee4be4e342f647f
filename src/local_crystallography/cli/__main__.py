"""`python -m local_crystallography.cli`."""

from local_crystallography.cli.main import main

raise SystemExit(main())
