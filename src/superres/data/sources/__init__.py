"""Sources of frames, one module for each kind.

- `source`: the base of all kinds, a source of a study, and frame ranges.
- `reading`: the frames of any source, one after the other.
- `registry`: all kinds, one line each. Checks and opens a source of any kind.
- `turning_view`, `package_images`, `images`, `zip_images`, `y4m`, `video`: the kinds, each with its keys,
  check and reader.
- `crops`: still pictures, whole or cut to one size.
- `pictures`: image files to RGB. Videos are read by `data.video`.

A new kind is a module with a `SourceKind`, and its name in `registry`.
"""
