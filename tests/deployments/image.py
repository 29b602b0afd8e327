"""The stages of the Dockerfile as folders: their steps run in a changed root, as far as that goes without an engine.

What stands for the base image is this machine's /usr, with this Python as its /usr/local. Needs Linux and root.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.deployments.compose import TOP
from tests.deployments.dockerfile import Stage, stages

ROOT = """
set -eu
cd "$1"; shift
mkdir -p usr etc dev proc tmp
for name in bin sbin lib lib64; do ln -sfn usr/$name $name; done
mount --rbind /usr usr
mount --bind "$PYTHON" usr/local
for name in etc dev proc; do mount --rbind /$name $name; done
"""
"""In a mount namespace of its own: lay the base image under a folder."""

BUILD = ROOT + 'exec chroot . /bin/sh -c "$1"'

RUN = (
    ROOT
    + """
ip link set lo up
mount --rbind . . && cd "$PWD" && mount -o remount,bind,ro .
for name in tmp var/lib/comms var/lib/prefect; do mount -t tmpfs -o mode=0700,uid=$OWNER,gid=$OWNER none $name; done
chmod 1777 tmp
exec chroot --userspec=$OWNER:$OWNER --groups= . /bin/sh -c 'cd /var/lib/comms && exec "$@"' sh "$@"
"""
)
"""Without a network, with a root that nobody can write to, as the image's user."""

PROGRAMS = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "PIP_INDEX_URL")


class Image:
    """Built below `folder`; one root folder for each stage."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages = stages()

    def health_check(self) -> str:
        """What an engine asks a container every few seconds, as a line for the shell."""
        return shlex.join(self._stages[-1].health_check())

    def build(self) -> None:
        for stage in self._stages:
            self._build(stage)

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command as a container of the image would, without a network."""
        image = self._stages[-1]
        owner = image.all("USER")[-1].split(":")[0]
        given = {**image.environment(), "PATH": f"/opt/comms/bin:{PROGRAMS}", "OWNER": owner}
        namespaces = ["unshare", "--mount", "--net", "--fork"]
        return self._enter(namespaces, RUN, self._root(image), command, given | environment)

    def _build(self, stage: Stage) -> None:
        root, folder = self._root(stage), "/"
        root.mkdir()
        for keyword, text in stage.instructions:
            if keyword == "WORKDIR":
                folder = text
                (root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
            elif keyword == "COPY":
                self._copy(text, root / folder.lstrip("/"), root)
            elif keyword == "RUN":
                self._step(root, f"cd {folder} && {text}")

    def _step(self, root: Path, command: str) -> None:
        kept = {name: os.environ[name] for name in CERTIFICATES if name in os.environ}
        given = kept | {"PATH": PROGRAMS, "HOME": "/tmp"}
        done = self._enter(["unshare", "--mount", "--fork"], BUILD, root, [command], given)
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"

    def _enter(
        self, namespaces: Sequence[str], script: str, root: Path, arguments: Sequence[str], given: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        python = {"PYTHON": sys.base_prefix, "LD_LIBRARY_PATH": "/usr/local/lib"}
        command = [*namespaces, "bash", "-c", script, "bash", str(root), *arguments]
        return subprocess.run(command, env=given | python, text=True, capture_output=True)

    def _copy(self, text: str, folder: Path, root: Path) -> None:
        """From the repository, or from an earlier stage. All that is copied here are files and whole folders."""
        *options, target = text.split()
        source, left_out = TOP, shutil.ignore_patterns("__pycache__")  # as .dockerignore has it
        if options[0].startswith("--from="):
            named = options.pop(0).removeprefix("--from=")
            source, left_out = self._root(next(stage for stage in self._stages if stage.name == named)), None
        for name in options:
            place = root / target.lstrip("/") if target.startswith("/") else folder / target
            found = source / name.lstrip("/")
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True, ignore=left_out, dirs_exist_ok=True)
            else:
                shutil.copy(found, place)

    def _root(self, stage: Stage) -> Path:
        return self._folder / (stage.name or "image")
