"""A whole video through an engine: decoded, upscaled and encoded at once; the door is `upscale_video`.

pipeline.py  `upscale_video`: the three steps in threads of their own, in constant memory
engine.py    `open_for`: the arm's engine, or one built for the video's size
videos.py    videos as RGB frames and back, by FFmpeg
codecs.py    what a file may be encoded with, by its name; light, a study is checked by it
"""
