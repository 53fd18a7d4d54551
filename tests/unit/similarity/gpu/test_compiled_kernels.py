"""The kernels compile for real cards, none of which is needed for that.

In a process of its own: elsewhere in the tests Triton interprets them.
"""

import json
import subprocess
import sys

import pytest
from programs import ROOT

COMPILE = """
import json, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from gapmatch.similarity.gpu import kernels
from gapmatch.similarity.gpu.triton_products import MEMBERS, PAIRS, Tiles

# As for a block of a search of fifty thousand tests with four ranks and neighbours.
TENSORS = {
    "tests": "fp16", "block": "fp16", "grouped": "fp16", "others": "fp16", "left": "fp16",
    "right": "fp16", "limits": "fp32", "columns": "fp32", "rows": "fp32", "bounds": "fp32",
    "other": "i64", "items": "i64", "counter": "i64", "found_pair": "i64", "found_member": "i64",
    "i": "i64", "j": "i64", "out": "fp64",
}
NUMBERS = {"number": 50304, "width": 131072, "dim": int(sys.argv[3]), "capacity": 3, "pairs": 3}
UNALIGNED = {"other", "counter"}
tiles = Tiles()
SIZES = {
    "DECISIONS": 5, "PADDED": 8, "GROUP": 6 * tiles.side, "ROW_GROUP": 128, "WINDOW": 16,
    "BM": tiles.side, "BN": tiles.side, "BK": tiles.depth, "BP": PAIRS,
}
kernel = getattr(kernels, sys.argv[1])
signature, attributes, constants = {}, {}, {}
for place, name in enumerate(kernel.arg_names):
    if name in SIZES:
        signature[name] = "constexpr"
        constants[(place,)] = SIZES[name]
        if name == "BN" and sys.argv[1] == "members":
            constants[(place,)] = MEMBERS
        continue
    signature[name] = "*" + TENSORS[name] if name in TENSORS else "i32"
    if name in TENSORS and name not in UNALIGNED or NUMBERS.get(name, 1) % 16 == 0:
        attributes[(place,)] = [["tt.divisibility", 16]]
options = {}
if sys.argv[1] != "dots":
    options = {"num_warps": tiles.warps, "num_stages": tiles.stages}
done = triton.compile(
    ASTSource(kernel, signature, constants, attributes),
    target=GPUTarget("cuda", int(sys.argv[2]), 32),
    options=options,
)
ptx = done.asm["ptx"]
print(json.dumps({"shared": done.metadata.shared, "ptx": ptx}))
"""

SHARED = {80: 163, 86: 99, 90: 227}
"""KiB of shared memory for a program, by compute capability (CUDA C++ Programming Guide)."""


@pytest.mark.parametrize("dim", [640, 100])
@pytest.mark.parametrize("capability", SHARED)
@pytest.mark.parametrize("kernel", ["peaks", "members", "dots"])
def test_a_kernel_compiles_and_multiplies_on_tensor_cores(kernel, capability, dim, monkeypatch):
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "workflow_scripts"))
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, kernel, str(capability), str(dim)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["shared"] <= SHARED[capability] * 1024
    if kernel != "dots":
        assert ("wgmma" if capability == 90 else "mma.sync") in found["ptx"]
