"""The REST door: what goes in and out is the contract of the service that it took over from."""
