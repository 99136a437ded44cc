"""Sources: published sets as they lie on disk, each read into Samples. All of it is hostile until read."""
