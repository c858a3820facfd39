"""Pinned files, fetched once and verified.

- `fetch`: the file under its name, from a folder or an address; locks, receipts and links.
- `http`: the download itself. `partial`: what has arrived of it, and its progress.
- `addresses`: which addresses a study may name, and how they are printed without secrets.
- `space`: is there room on the disk?
"""
