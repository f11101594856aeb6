"""Real models of mlx-lm's on a subject's caches, held against the same models on mlx-lm's own."""
