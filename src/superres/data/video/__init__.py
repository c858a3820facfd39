"""One reader of video, for clips and for whole videos that are upscaled. Start at `reader.VideoReader`.

colour.py   matrix, range and chroma siting: what the study says, else the file, else HD or SD
facts.py    `video_facts`: what a file says before its frames are decoded, and what of it can't be kept
ends.py     `check_whole`: whether a file was cut off, by the sizes that its container names
reader.py   `VideoReader`: frames and other packets, in order, by FFmpeg's libraries (PyAV)
convert.py  `rgb_of`: a decoded frame of any format as 8-bit RGB, upright
yuv.py      planes to RGB and back, exactly
y4m.py      the layout of a y4m file: exact checks and random access without FFmpeg
ahead.py    `Ahead`: anything read ahead by a thread
counting.py frames of a file, counted without decoding where that is sure
"""
