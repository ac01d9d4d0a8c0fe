"""A process in namespaces of its own: no network, its own processes, and a root folder with what is mounted there only.

Two programs make them: bubblewrap, and, where it is not installed, ``unshare`` of util-linux with a shell script. Both
mount the same folders, read-only, drop all capabilities, and end the process with what it started when they are ended.
"""

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

Way = Literal["bubblewrap", "unshare"]
#: What a process sees: a folder or file as it is outside, read-only, if it exists, or a new one.
Mount = tuple[Literal["bind", "tmpfs", "proc", "dev"], str]

_TOOLS = {"bubblewrap": ("bwrap",), "unshare": ("unshare", "mount", "umount", "pivot_root", "setpriv", "sh")}
_PLACES = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
_KEPT_FLAGS = ("nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime")

#: Arguments: the folder that becomes the root, mounts as pairs of words, ``--``, the program. A bind is followed by
#: ``ro`` and the flags of each file system in it. The user root may write to ``/proc/sys`` without a capability, so
#: ``/proc`` is read-only, too. Any step that fails ends the script, and nothing is run.
_SCRIPT = """set -eu
root=$1; shift
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs "$root"
while [ "$1" != -- ]; do
  kind=$1 path=$2 to=$root$2; shift 2
  case $kind in
  bind)
    if [ -d "$path" ]; then mkdir -p "$to"; else mkdir -p "${to%/*}"; [ -e "$to" ] || : > "$to"; fi
    mount --rbind "$path" "$to" ;;
  ro) mount -o "remount,bind,ro,$1" "$to"; shift ;;
  tmpfs) mkdir -p "$to"; mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$to" ;;
  proc) mkdir -p "$to"; mount -t proc -o ro,nosuid,nodev,noexec proc "$to" ;;
  dev)
    mkdir -p "$to"; mount -t tmpfs -o mode=755,nosuid tmpfs "$to"; mkdir -m 1777 "$to/shm"
    for each in null zero full random urandom; do : > "$to/$each"; mount --bind "/dev/$each" "$to/$each"; done
    ln -s /proc/self/fd "$to/fd"
    for each in 0:stdin 1:stdout 2:stderr; do ln -s "fd/${each%:*}" "$to/${each#*:}"; done ;;
  esac
done
shift
mkdir "$root/.before"; cd "$root"; pivot_root . .before; cd /; umount -l /.before; rmdir /.before; cd /tmp
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all -- "$@"
"""


def tool(way: Way) -> str:
    """Return the path of a program, empty if it or one that it needs is not installed."""
    found = [shutil.which(name, path=_PLACES) for name in _TOOLS[way]]
    return found[0] or "" if all(found) else ""


def command(way: Way, mounts: Iterable[Mount], root: Path, program: Sequence[str]) -> list[str]:
    """Return the command line that runs a program with these mounts, in order; `root` is an empty folder."""
    if way == "bubblewrap":
        apart = [f"--unshare-{name}" for name in ("user", "pid", "net", "ipc", "uts", "cgroup-try")]
        binds = [word for mount in mounts for word in _of_bubblewrap(*mount)]
        bounds = ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
        return [tool(way), *apart, *bounds, *binds, "--chdir", "/tmp", "--", *program]  # noqa: S108
    apart = [
        f"--{name}" for name in ("user", "map-root-user", "mount", "pid", "net", "ipc", "uts", "fork", "kill-child")
    ]
    systems = _file_systems()
    words = [word for mount in mounts for word in mounted(*mount, systems)]
    shell = [str(shutil.which("sh")), "-c", f"PATH={_quoted(_PLACES)}\n{_SCRIPT}", "sh"]
    return [tool(way), *apart, *shell, str(root), *words, "--", *program]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _of_bubblewrap(kind: str, path: str) -> list[str]:
    return ["--ro-bind-try", path, path] if kind == "bind" else [f"--{kind}", path]


def mounted(kind: str, path: str, systems: dict[str, list[str]]) -> list[str]:
    """Return a mount as arguments of the script; `systems` are the mounted file systems with their flags."""
    if kind != "bind":
        return [kind, path]
    if not os.path.exists(path):  # noqa: PTH110 - the same for a bytes path and a file
        return []
    real = os.path.realpath(path)
    own = max((place for place in systems if _below(real, place)), key=len)
    inner = {path + place[len(real.rstrip("/")) :]: flags for place, flags in systems.items() if _below(place, real)}
    words = ["bind", path]
    for place, flags in {path: systems[own], **inner}.items():
        words += ["ro", place, ",".join(flags)]
    return words


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _file_systems() -> dict[str, list[str]]:
    """Return the flags that each mounted file system has to keep where it is mounted again."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        place, options = line.split(" ")[4:6]
        place = re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), place)
        flags = [flag for flag in options.split(",") if flag in _KEPT_FLAGS]
        times = {"noatime", "relatime"} & set(flags)
        found[place] = list(dict.fromkeys([*flags, "nosuid", "nodev", *([] if times else ["strictatime"])]))
    return found
