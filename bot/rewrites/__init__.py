"""Rewrites of a learner's code that may cure a known error, one module a family."""
