"""Public fakes, conformance suites for plugins, and the simulation of the gateway."""
