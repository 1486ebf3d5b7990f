"""The command `cache`: its list, and the removal of entries."""
