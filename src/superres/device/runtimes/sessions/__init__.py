"""What drives the packages of runtimes; imported when an
engine is built or opened, for it needs numpy and the package.
"""
