"""Reads the text of one image and ends: the child process of `bot.ocr`.

The image comes on standard input, the boxes of text leave on standard output, as JSON. All that is
needed is loaded first; then the process walls itself in (no file, no network, no other program,
bounded memory and time), and only then does it read the first byte of the image.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import sys
from typing import TYPE_CHECKING, Any, Final

from sandbox import kernel, landlock, seccomp
from sandbox.protocol import Tier

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_BYTES: Final = 8 << 20
"""Bytes of an image file that are read."""
MAX_PIXELS: Final = 6_000_000
"""Pixels of an image that is decoded: more than a screen of 3000 × 2000 is a poster."""
MAX_SIDE: Final = 4_000
"""Pixels of one side of an image that is decoded; a long one is read as it is, in full size."""
MAX_BOXES: Final = 400
"""Lines of text that are read, from the top."""
FORMATS: Final = ("PNG", "JPEG", "WEBP")
CPU_S: Final = 40
_MEMORY: Final = 2 << 30
_LEAST_SIDE: Final = 480


def main() -> None:
    """Load, wall in, read one image, tell, end."""
    engine = _engine()
    wall_in()
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    try:
        told: dict[str, Any] = {"boxes": _boxes(engine, _decoded(data))}
    except _Fault as fault:
        told = {"fault": str(fault)}
    json.dump(told, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # nothing of what an image did to this process runs any longer


def wall_in() -> None:
    """Give up everything but memory, time and the pipes that are open already.

    Landlock and the filter are those of the sandbox; a kernel without Landlock keeps the rest.
    """
    for kind, value in (
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_DATA, _MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        resource.setrlimit(kind, (value, value))
    program = seccomp.assemble(Tier.FLOOR)
    kernel.die_with_parent()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities()
    with contextlib.suppress(OSError):
        landlock.confine((), (), ())
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.install_filter(program)


def _engine() -> Any:
    """The recogniser, with its models loaded, and every reader of an image format."""
    import cv2
    from PIL import Image
    from rapidocr import RapidOCR

    cv2.setNumThreads(1)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    engine = RapidOCR(
        params={
            "Global.log_level": "critical",
            "Global.use_cls": False,  # screens stand upright
            "Global.max_side_len": MAX_SIDE,
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.limit_side_len": _LEAST_SIDE,
            "Rec.rec_batch_num": 1,  # the fastest on one thread, and the least memory
        }
    )
    _warm_up(engine)
    return engine


def _warm_up(engine: Any) -> None:
    """Use every part once: models and readers of formats are loaded when they are first used."""
    import cv2
    import numpy as np
    from PIL import Image

    words = np.full((64, 192, 3), 255, np.uint8)
    cv2.putText(words, "Error", (8, 48), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (0, 0, 0), 3)
    for kind in FORMATS:
        file = io.BytesIO()
        Image.fromarray(words).save(file, kind)
        pixels = _decoded(file.getvalue())
    if not _boxes(engine, pixels):
        raise RuntimeError("The recogniser does not read its own test word.")


class _Fault(Exception):
    """An image that is not read; the argument is the key of the reason."""


def _decoded(data: bytes) -> NDArray[np.uint8]:
    """The image as the recogniser wants it: BGR, nothing transparent. Raises _Fault."""
    import numpy as np
    from PIL import Image

    try:
        # Opening reads the header alone.
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
                raise _Fault("image_too_large")
            layered = image.convert("RGBA")
        ground = Image.new("RGBA", layered.size, (255, 255, 255, 255))
        opaque = Image.alpha_composite(ground, layered).convert("RGB")
        return np.asarray(opaque)[:, :, ::-1].copy()
    except (Image.DecompressionBombError, MemoryError):
        raise _Fault("image_too_large") from None
    except _Fault:
        raise
    except Exception:
        # Which error a damaged file raises is up to each of Pillow's readers.
        raise _Fault("not_an_image") from None


def _boxes(engine: Any, pixels: NDArray[np.uint8]) -> list[dict[str, Any]]:
    """Every piece of text with the corners of its box, in pixels. Raises _Fault."""
    try:
        found = engine(pixels)
    except MemoryError:
        raise _Fault("image_too_large") from None
    if found.boxes is None or found.txts is None:
        return []
    return [
        {
            "left": float(min(x for x, _ in corners)),
            "top": float(min(y for _, y in corners)),
            "right": float(max(x for x, _ in corners)),
            "bottom": float(max(y for _, y in corners)),
            "text": text,
        }
        for corners, text in zip(found.boxes, found.txts, strict=True)
    ][:MAX_BOXES]


if __name__ == "__main__":
    main()
