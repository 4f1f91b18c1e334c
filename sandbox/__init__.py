"""Runs a snippet nobody trusts and tells what happened."""
