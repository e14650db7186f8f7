"""From plain Python to machine code: `ir` translates, `machine` compiles and keeps.

`specialising` makes copies of routines for what is known beforehand, which `ir` translates too.
"""
