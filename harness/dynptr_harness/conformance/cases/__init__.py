"""The rows of the catalogue, a module a group."""
