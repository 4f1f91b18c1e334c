"""What is known about PyTorch errors: entries, how posts are read, and the search between them."""
