"""Upscale a whole video: decode, run the engine and encode at the same time. Start at `upscale_video`.

pipeline.py  `upscale_video`: the three steps in threads of their own, in constant memory;
             `open_for`: the arm's engine, or one built for the video's size
videos.py    pictures with their times from `data.video`, and writers of videos
timing.py    times of frames, and whether a video has one rate
tracks.py    sound, subtitles, attachments, chapters and names
matroska.py  the shape of pixels in a Matroska file
codecs.py    codecs by file name; light, since a study is checked with it
"""
