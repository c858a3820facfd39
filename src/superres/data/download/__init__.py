"""Pinned files, fetched once and verified.

- `fetch`: the file from a folder or an address, with lock, receipt and link.
- `verify`: size, hash and receipt of a fetched file, and free disk space. Readers import only this.
- `http`: the download itself. `partial`: the bytes that have arrived, and a progress bar.
- `addresses`: the addresses that a study may name, and how to print them without secrets.
"""
