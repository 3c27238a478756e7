"""What the endpoint answers: ``bodies`` and ``progress`` describe it for the schema, ``examples`` show it,
``representation`` makes the answer about a run."""
