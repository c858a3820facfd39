#!/bin/sh
# Makes .venv and installs the pinned requirements given as arguments, then the package itself, editable.
# uv does it in seconds; where uv can't be had, pip does the same.
# TORCH_BACKEND chooses torch's build: cpu (default), auto, cu130, ... : what `uv pip install --torch-backend` knows.
set -eu

backend=${TORCH_BACKEND:-cpu}
python=.venv/bin/python
torch=$(grep '^torch==' envs/requirements.txt)

${PYTHON:-python3} -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "error: expected Python 3.11 or later, found $(${PYTHON:-python3} --version 2>&1): set PYTHON=/path/to/python3" >&2
    exit 1
}
[ -x "$python" ] || ${PYTHON:-python3} -m venv .venv

requirements=
for file in "$@"; do requirements="$requirements -r $file"; done

# uv doesn't read pip's configuration: folders of wheels that pip is told to look in are handed on.
links=
for folder in ${PIP_FIND_LINKS:-$("$python" -m pip config get global.find-links 2>/dev/null || true)}; do
    links="$links --find-links $folder"
done

# shellcheck disable=SC2086 # the lists of options above are meant to be split
if "$python" -m pip install --quiet --disable-pip-version-check "$(grep '^uv==' envs/uv.txt)"; then
    install="$python -m uv pip install --quiet --python $python"
    if [ "$backend" = cpu ] && $install --no-index --no-deps $links "$torch+cpu" 2>/dev/null; then
        $install $links $requirements
    else
        $install --torch-backend "$backend" $links $requirements
    fi
else
    echo "uv can't be installed: pip goes on, and takes whichever build of torch its index has" >&2
    install="$python -m pip install --quiet --disable-pip-version-check"
    $install $requirements
fi
# shellcheck disable=SC2086
$install --no-deps --no-build-isolation -e .
case " $* " in
*" envs/dev.txt "*) $install --no-deps -r envs/types.txt -r envs/checkpoints.txt ;;
esac
# Where PYTHONDONTWRITEBYTECODE is set, as in many containers, each process would compile all that it imports, and
# a study has hundreds: that doubles the time of a small one.
"$python" -m compileall -qq -j 0 .venv/lib src || true
