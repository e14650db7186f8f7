"""What can be said about a path: operations, threads, rings, stages."""
