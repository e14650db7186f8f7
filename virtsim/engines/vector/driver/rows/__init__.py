"""Where things stand in the arena: there is one of each, so all of it has a fixed place."""
