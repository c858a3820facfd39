"""Print the names in NVIDIA's Python bindings of TensorRT, without TensorRT: how `names.csv` was made.

    pip download --no-deps tensorrt-cu12-bindings==10.3.0     # 8.6 was tensorrt-bindings==8.6.1
    unzip the wheel; python dump_names.py tensorrt_bindings/tensorrt.so

The bindings are an extension of Python that registers its classes on import, for the Python of the wheel's
name. The libraries that they need are replaced by empty ones with the same functions, which nothing calls.
"""

import ctypes
import importlib.util
import inspect
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    extension = Path(sys.argv[1]).resolve()
    needed = re.findall(r"\[(libnv\S+)\]", output("readelf", "-d", str(extension)))
    undefined = re.findall(r" U (\w+)$", output("nm", "-D", "--undefined-only", str(extension)), re.M)
    functions = [name for name in undefined if not name.startswith(("Py", "_Py"))]
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(needed):
            source = "".join(f"void *{function}(void) {{return 0;}}\n" for function in functions)
            command = [
                "cc",
                "-shared",
                "-fPIC",
                "-x",
                "c",
                "-",
                "-o",
                f"{folder}/{name}",
                f"-Wl,-soname,{name}",
            ]
            subprocess.run(command, input=source if number == 0 else "", text=True, check=True)
            ctypes.CDLL(f"{folder}/{name}", ctypes.RTLD_GLOBAL)
        spec = importlib.util.spec_from_file_location("tensorrt", extension)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    for name, value in sorted(vars(module).items()):
        if inspect.isclass(value):
            print(name, *(member for member in dir(value) if not member.startswith("_")))


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
