//! Methods as an LLM sees them: names, schemas and the wire shapes of the providers.
