"""HTTP and the page: an OpenAI-compatible server around the engine."""
