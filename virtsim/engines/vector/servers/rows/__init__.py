"""Where things stand in the arena: each module names the fields of one kind of row."""
