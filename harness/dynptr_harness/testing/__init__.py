"""What pytest_plugin.py is made of: cells as items, machines as fixtures. Imported when they are used."""
