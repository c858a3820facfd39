"""What of a study goes to others."""

from superres.study.runs.shared import shared_study


def test_places_and_secrets_stay_here():
    config = {
        "study": "mine",
        "clips": [{"name": "a", "source": {"type": "video", "path": "/home/me/a.mp4"}}],
        "models": [{"name": "b", "onnx": "models/b.onnx"}],
        "files": [{"name": "a.y4m", "url": "https://me:secret@host/a.y4m?token=1", "mirror": "/srv/files"}],
        "targets": ["local", {"name": "jetson", "ssh": "me@host", "workdir": "/mnt/work", "power_mode": 2}],
        "latency": {"rounds": 6, "seconds": 0.5},
    }
    assert shared_study(config) == {
        "study": "mine",
        "clips": [{"name": "a", "source": {"type": "video", "path": "a.mp4"}}],
        "models": [{"name": "b", "onnx": "models/b.onnx"}],
        "files": [{"name": "a.y4m", "url": "https://host/a.y4m"}],
        "targets": ["local", {"name": "jetson", "ssh": "jetson", "power_mode": 2}],
        "latency": {"rounds": 6, "seconds": 0.5},
    }
