"""`make demo`: the main job from signing up to the sent issue, with invented people."""
