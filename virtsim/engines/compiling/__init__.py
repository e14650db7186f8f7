"""From plain Python to machine code: `ir` translates, `machine` compiles and keeps."""
