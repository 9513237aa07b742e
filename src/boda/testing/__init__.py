"""Public conformance suites: a new encoder inherits its tests from here."""
