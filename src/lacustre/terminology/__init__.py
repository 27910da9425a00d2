"""Value sets and concept maps as relations that SQL can join."""
