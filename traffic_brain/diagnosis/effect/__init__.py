"""What a change of plans did (效果评估): before and after, beside junctions left alone."""
