"""Where frames come from: one module for each kind of source.

- `source`: what all kinds have in common, and a source of a study with what it refers to by name.
- `reading`: frames of any source, one after the other.
- `registry`: the kinds, one line each; checks and opens a source of any kind.
- `turning_view`, `package_images`, `images`, `zip_images`, `y4m`, `video`: the kinds, each with its keys,
  check and reader.
- `packages`: photographs inside Python packages. `pictures`: image files to RGB. `yuv4mpeg`: the file format
  of y4m.
  `yuv`: planes of a video to RGB.

A new kind is a module with a `SourceKind`, and its name in `registry`.
"""
