"""What a renumbering changes inside files, a layout each. Pure: trees in, contents out."""
