"""The script that draws the charts: Vega, Vega-Lite and Vega-Embed in one, from `vl-convert-python`."""

import gzip
from base64 import b64encode
from importlib.metadata import version
from pathlib import Path

from benchmarks.core import atomic
from datasets.files import cache


def bundle() -> str:
    """0.9 MB of JavaScript as gzip in base64, 0.35 MB. Making it takes seconds, so it is kept in the cache."""
    path = cache() / f"vega-{version('vl-convert-python')}.js"
    try:
        script = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        script = _made()
        _keep(path, script)
    return b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _made() -> str:
    import vl_convert

    return vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub knows no default


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, text)
    except OSError:
        pass  # it is made again next time
