"""The figures and sentences that API, page and command line show alike."""
