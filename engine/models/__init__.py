"""Neural networks as files: the bundled weights, what each of them takes and gives, and the sessions that run them."""
