"""The whole loop over several days: what the city gains, night after night."""
