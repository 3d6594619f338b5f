"""Small real models that run inside a worker and see everything, since nothing leaves the house."""
