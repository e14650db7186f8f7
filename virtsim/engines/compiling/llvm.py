"""What LLVM says for Python's operators, and the texts that every module begins and ends with."""

from __future__ import annotations

import ast
import platform
import sys
from collections.abc import Mapping

BINARY = {
    ast.Add: "add nsw", ast.Sub: "sub nsw", ast.Mult: "mul nsw", ast.BitAnd: "and",
    ast.BitOr: "or", ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
CALLED = {ast.FloorDiv: "@floor_div", ast.Mod: "@floor_mod"}
COMPARED = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge",
}  # fmt: skip
EXTREME = {"max": "sgt", "min": "slt"}

KEEPS_NONE = sys.platform != "win32" and platform.machine() in ("x86_64", "aarch64", "arm64")
NEAR = "preserve_nonecc" if KEEPS_NONE else "fastcc"
"""How routines call one another: none keeps registers for its caller, which rarely needs any."""

DIVISION = """
define internal i64 @floor_div(i64 %x, i64 %y) alwaysinline {
  %q = sdiv i64 %x, %y
  %r = srem i64 %x, %y
  %signs = xor i64 %r, %y
  %unlike = icmp slt i64 %signs, 0
  %inexact = icmp ne i64 %r, 0
  %below = and i1 %unlike, %inexact
  %less = sext i1 %below to i64
  %floor = add i64 %q, %less
  ret i64 %floor
}

define internal i64 @floor_mod(i64 %x, i64 %y) alwaysinline {
  %q = call i64 @floor_div(i64 %x, i64 %y)
  %p = mul i64 %q, %y
  %m = sub i64 %x, %p
  ret i64 %m
}
"""


def aliases(rows: Mapping[str, int]) -> str:
    """Return what the marks of words mean: words of different kinds of rows are different."""
    text = ['!0 = !{!"words"}']
    for row, i in rows.items():
        kind, mark = 2 * i + 1, 2 * i + 2
        text.append(f'!{kind} = !{{!"{row}", !0}}\n!{mark} = !{{!{kind}, !{kind}, i64 0}}')
    return "\n".join(text)
