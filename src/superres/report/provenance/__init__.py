"""What an arm was made from, and whether everything still is what it was.

manifest.py  `write_manifest`: an arm's records, files, study, code and libraries in one file
verify.py    `verify_study`: computes anew what the manifests name
"""
