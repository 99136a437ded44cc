"""What flows: samples, tiles, batches, settings and errors."""
