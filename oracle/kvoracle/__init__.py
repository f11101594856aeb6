"""mlx-lm's reference caches: a release's two files, found, loaded and given one face.

Nothing here imports `mlx_lm`: that costs the better part of a second, and there would be only one.
"""
