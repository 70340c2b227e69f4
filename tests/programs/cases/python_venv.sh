# python3 -m venv with the pip that Debian ships: packages from a wheel and from sources, without a network; their scripts; removal.
# image: userland
# package: python3-venv python3-pip-whl
cd /tmp
export PIP_NO_INDEX=1 PIP_CACHE_DIR=/tmp/cache PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_COLOR=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off PYTHONDONTWRITEBYTECODE=1
python3 -m venv --prompt box v; echo "venv $?"
ls v v/bin; cat v/pyvenv.cfg
v/bin/pip list --format freeze; v/bin/pip --version
mkdir -p src/greet && cat >src/pyproject.toml <<'END'
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "greet"
version = "1.2"
dependencies = ["little>=0.1"]
[project.scripts]
greet = "greet:main"
END
cat >src/greet/__init__.py <<'END'
import importlib.metadata, little
def main():
    print("hello from", importlib.metadata.version("greet"), little.answer)
END
# A wheel is a zip file with a few lines about itself.
cat >src/backend.py <<'END'
import base64, hashlib, sys, zipfile

def wheel(directory, name, version, files, more=""):
    info, file = f"{name}-{version}.dist-info", f"{name}-{version}-py3-none-any.whl"
    files |= {info + "/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}",
              info + "/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    digest = lambda d: base64.urlsafe_b64encode(hashlib.sha256(d.encode()).digest()).rstrip(b"=").decode()
    record = "".join(f"{n},sha256={digest(d)},{len(d)}\n" for n, d in files.items()) + info + "/RECORD,,\n"
    with zipfile.ZipFile(f"{directory}/{file}", "w") as z:
        for n, d in (files | {info + "/RECORD": record}).items():
            z.writestr(n, d)
    return file

def build_wheel(directory, settings=None, metadata=None):
    files = {"greet/__init__.py": open("greet/__init__.py").read(), "greet-1.2.dist-info/entry_points.txt": "[console_scripts]\ngreet = greet:main\n"}
    return wheel(directory, "greet", "1.2", files, "Requires-Dist: little>=0.1\n")

if __name__ == "__main__":
    print(wheel(".", "little", "0.3", {"little.py": "answer = 42\n"}))
END
python3 src/backend.py
. v/bin/activate; echo "$PS1" | cut -c1-6; python -c 'import sys; print(sys.prefix, sys.base_prefix)'
pip install ./src 2>&1 | grep -E 'ERROR'; echo "without the wheel it needs: ${PIPESTATUS[0]}"
pip install --find-links . little 2>&1 | tail -1
(cd src && tar czf ../greet-1.2.tar.gz --transform 's,^,greet-1.2/,' pyproject.toml backend.py greet)
pip install ./greet-1.2.tar.gz >pip.log 2>&1; grep -E "Success|rror" pip.log
greet; pip list --format freeze; pip check; pip show -f greet | grep -vE 'Location|Author|License|Home' | sort | head -20
pip uninstall -y greet little | grep Success; python -c 'import greet' 2>&1 | tail -1
pip download nosuch 2>&1 | head -2
deactivate; type greet 2>&1 | grep -c 'not found'
python3 -m venv --without-pip --system-site-packages --symlinks w && w/bin/python -c 'import sys; print(sys.prefix); import pip' 2>&1 | tail -1
python3 -m zipapp src -m greet:main -o app.pyz; python3 -c 'import zipfile; print(sorted(zipfile.ZipFile("/tmp/app.pyz").namelist())[:3])'
