"""What is known about PyTorch errors: entries, the reading of posts, and the search that joins them."""
