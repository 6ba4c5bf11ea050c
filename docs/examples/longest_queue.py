"""A controller of one's own: the stage before which most vehicles stand."""


class LongestQueue:
    """Every ten seconds; a stage stays where no other has more."""

    decision_s = 10

    def start(self, network, junctions):
        """Note the lanes that each stage lets go; all of them are to be seen."""
        self.lanes = {}
        for c in network.connections:
            for stage, picture in enumerate(junctions.get(c.junction_id, ())):
                if c.signal_group_idx >= 0 and picture[c.signal_group_idx] in "Gg":
                    lane = f"{c.from_link}_{c.from_lane_idx}"
                    self.lanes.setdefault((c.junction_id, stage), set()).add(lane)
        return set().union(*self.lanes.values())

    def choose(self, seen):
        """The stage with most standing vehicles before it, by junction."""
        chosen = dict(seen.stage_idx)
        queue = {key: sum(seen.standing[x] for x in lanes) for key, lanes in self.lanes.items()}
        for (junction, stage), standing in queue.items():
            if standing > queue.get((junction, chosen[junction]), 0):
                chosen[junction] = stage
        return chosen
