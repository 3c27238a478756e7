"""URLconfs of hosts that have put the endpoint here and there."""
