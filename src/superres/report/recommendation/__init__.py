"""Which arm to ship, from `metrics.csv` alone.

candidates.py  `find_candidates`: each arm's figures over all clips, and its gain over another
decide.py      `decide`: the front, the arm to ship under a wish, and whether INT8 is worth it
write.py       `write_recommendation`: at most 12 lines, as Markdown and JSON
"""
