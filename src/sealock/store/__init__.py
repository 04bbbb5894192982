"""The store: where projects are kept."""
