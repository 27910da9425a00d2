"""Checks of what the lake serves: suites of expectations over views."""
