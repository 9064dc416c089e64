"""Public fakes and conformance suites for plugins."""
