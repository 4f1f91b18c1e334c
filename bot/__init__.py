"""Joins knowledge and sandbox for people: service, Discord, local Discord, command line."""
