"""The command line: `farthing …`, one file per command group."""
