"""The front door for programs: jobs over HTTP, and the API that OpenAI's clients speak."""
