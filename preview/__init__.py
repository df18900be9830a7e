"""Stand-ins for the two engines: their own protocols, without weights or a GPU."""
