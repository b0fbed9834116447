"""What this process may use of the machine, and what its CPU computes."""

import os

from benchmarks.core.settings import UserError

BFLOAT16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # instructions of x86 and of ARM, as PyTorch calls them


def cores() -> int:
    """Cores that this process may use, where the system tells."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def computes_bfloat16() -> bool:
    """Whether this machine's CPU does; PyTorch imitates it on any other, and is slower than in float32."""
    import torch

    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in BFLOAT16)


def require_precision(device: str, precision: str) -> None:
    """End what would train in bfloat16 on a CPU that does not compute it.

    Raises:
        UserError: it would take longer than in float32, for less exact numbers.
    """
    if device == "cpu" and precision == "bfloat16" and not computes_bfloat16():
        raise UserError(
            "protocol.precision=bfloat16: this CPU has no instructions for it (avx512_bf16, amx_bf16; ARM: bf16) "
            "and is faster in float32, which is the default"
        )
