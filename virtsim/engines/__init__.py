"""Engines: each plays a Program with prices and packets and returns time stamps and counters."""
