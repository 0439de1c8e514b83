"""One file a proxy."""
