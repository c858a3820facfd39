"""Frames of every source as frame files, and the files that they are read from.

The room's doors:

- `clips.prepare_clip`: a clip or a training set, its HR frames, their LR twins and an index.
- `calibration_sets.prepare_calibration_set`: centre crops of photographs, and an index.
- `disjoint.check_disjoint_images`: do prepared images share pixels with a clip?
- `download.fetch.fetch_file`: a pinned file from a folder or an address; `sources.packages.download_wheel`: a
  pinned wheel.
- `sources.registry.AnySource`: the keys of a source in a study; `sources.source.resolve` makes a `Source` of
  them.
- `sources.registry.check_source` and `sources.source.check_disjoint`: what can be said before any work
  starts.
- `resampling.downsample`: HR to LR, with the names of the kernels.
"""
