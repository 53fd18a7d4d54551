"""gapmatch: gap-matched pruning of web-scale training sets."""

import gc
import sys
from pathlib import Path

__version__ = "0.1.0"


def _is_program() -> bool:
    """Return whether this process was started to run one of the programs beside the package."""
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    programs = Path(__file__).resolve().parent.parent
    return main is not None and Path(main).resolve().parent == programs


# Asked once: where a test runs a program in its own process, that is the main module for a while.
IS_PROGRAM = _is_program()
"""Whether this process is that of one of the workflow's programs, not a test's or Snakemake's."""

# torch and open_clip make a million objects when they are imported, all of which stay. To look for
# garbage among them again and again takes a fifth of a program's start. command_line.fill_process
# ends that.
#
# timm imports wandb wherever it is installed, and img2dataset installs it. That takes half a
# second, and no program here reports to wandb.
if IS_PROGRAM:
    gc.disable()
    sys.modules["wandb"] = None  # type: ignore[assignment]
