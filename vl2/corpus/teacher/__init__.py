"""Teacher: another model that writes and judges texts for the corpus, asked once for each thing and remembered."""
