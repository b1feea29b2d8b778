"""Models: one streaming call behind a protocol, a real provider or a cassette."""
