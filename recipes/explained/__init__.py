"""Parts of the gallery of explanations: what is asked, the looking, and what is said of it, one idea a file."""
