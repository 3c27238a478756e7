"""The published contract: what drf-spectacular is told of each view, and what it has no words for. Imported only where
drf-spectacular is installed. Begin with ``operations``; ``restore_operation`` is that of a restore."""
