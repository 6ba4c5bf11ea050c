"""From four feeds to one state of the city: link states, trips, movement demand, running plans."""
