"""Small jitted functions over arrays: arrays and numbers in, a status code out."""
