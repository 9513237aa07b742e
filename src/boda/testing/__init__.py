"""Public conformance suites: a new encoder inherits its tests from here. They need pytest."""

from boda.testing.encoder_contract import EncoderContract

__all__ = ["EncoderContract"]
