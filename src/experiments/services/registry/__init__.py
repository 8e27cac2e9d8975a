"""The model registry: versions of models with their files, where they came from and where they went."""
