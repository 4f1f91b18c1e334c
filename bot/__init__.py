"""Joins knowledge and sandbox for people: the service, Discord, a local Discord, the command line."""
