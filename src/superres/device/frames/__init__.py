"""Frames, uint8 H x W x 3 in RGB.

files.py      frame files: opened memory-mapped, written whole
pixels.py     frames to planes and back, from blocks of pixels, and enlarged as MATLAB does
psnr.py       PSNR by the paper's protocol and by the literature's
ssim.py       SSIM of luma
"""
