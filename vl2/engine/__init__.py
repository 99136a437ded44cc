"""Many requests at once: cache, sampler, generation, and the assistant that joins them to a processor."""
