"""Who answers: our engine, any OpenAI endpoint, a log of answers, or an echo."""
