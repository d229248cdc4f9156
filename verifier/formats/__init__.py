"""What comes from files: networks, queries, data sets, images."""
