"""Upscale a whole video: decode, run the engine and encode at the same time. Start at `upscale_video`.

pipeline.py  `upscale_video`: the three steps in threads of their own, in constant memory;
             `open_for`: the arm's engine, or one built for the video's size
videos.py    videos to RGB frames and back, with FFmpeg
codecs.py    codecs by file name; light, since a study is checked with it
"""
