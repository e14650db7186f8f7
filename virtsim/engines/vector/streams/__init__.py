"""Streams that no memory holds: packets come, are played and are counted chunk by chunk.

A feed gives packets with their prices, a chunk at a time; a kind of Program plays a chunk and keeps
its state; a counter turns stamps into counts and a histogram. What stays of a packet is its share.
"""
