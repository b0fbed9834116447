"""The script that draws the charts: Vega, Vega-Lite and Vega-Embed in one, from `vl-convert-python`."""

from importlib.metadata import version
from pathlib import Path

from markupsafe import Markup

from benchmarks.core import atomic
from datasets.files import cache


def bundle() -> Markup:
    """About 0.9 MB of JavaScript. Making it takes seconds, so that it is kept in the cache where one can write."""
    path = cache() / f"vega-{version('vl-convert-python')}.js"
    try:
        return _safe(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        made = _made()
        _keep(path, made)
        return _safe(made)


def _made() -> str:
    import vl_convert

    return vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub knows no default


def _keep(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_text(path, text)
    except OSError:
        pass  # it is made again next time


def _safe(script: str) -> Markup:
    """As it may stand within <script>: nothing in it ends the element."""
    return Markup(script.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
