"""The form of each runtime, and the functions that write forms."""

import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from superres.device.base.errors import UserError
from superres.models.graphs.uint8.forms import FORM_OF, FORMS, FORMS_OF, PLAIN, form_of, write_form

from ..test_editor import write_network


def test_a_runtime_gets_one_of_its_forms() -> None:
    for runtime, forms in FORM_OF.items():
        assert set(forms.values()) <= set(FORMS_OF[runtime])
    assert {form for forms in FORMS_OF.values() for form in forms} == {*FORMS, PLAIN}
    assert form_of("onnxruntime", "int8") == "levels" and form_of("pytorch", "float") == PLAIN


@pytest.mark.parametrize("form", FORMS)
def test_every_form_takes_frames(form: str, tmp_path: Path) -> None:
    write_form(write_network(tmp_path / "fp32.onnx"), tmp_path / "uint8.onnx", form)
    (frame,) = onnx.load(tmp_path / "uint8.onnx").graph.input
    assert (frame.name, frame.type.tensor_type.elem_type) == ("frame", onnx.TensorProto.UINT8)


def test_an_unknown_form_is_a_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"expected one of blocks, levels, .*, found 'pixels'"):
        write_form(tmp_path / "fp32.onnx", tmp_path / "uint8.onnx", "pixels")


def test_the_table_is_read_without_a_library() -> None:
    code = "import sys, superres.models.graphs.uint8.forms; assert not {'onnx', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
