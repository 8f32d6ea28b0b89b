# Upstream's rules: both codes in one process, the oracle's first public method, inputs as Python writes them. The text `job` stands
# before this.
import ast
import json
import sys

job = json.loads(job)


def methods(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and node.name == "Solution":
            functions = [part for part in node.body if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef))]
            yield [part.name for part in functions if not part.name.startswith("_")]


def first(text):
    try:
        return next((names[0] for names in methods(text) if names), None)
    except SyntaxError:
        return None


method = first(job["oracle"]) or first(job["code"])
both = all("class Solution" in text for text in (job["oracle"], job["code"]))
if not (method and both and job["inputs"]):
    # Nothing to compare: it passes when it can be parsed and has a method.
    try:
        sys.exit(0 if any(methods(job["code"])) else 1)
    except SyntaxError:
        sys.exit(1)

NAMES = """
import sys, string
from typing import List, Optional, Tuple, Dict, Set
from collections import defaultdict, deque, Counter
from itertools import combinations, permutations, accumulate
from functools import lru_cache
from math import inf, gcd, sqrt, ceil, floor, log2
from heapq import heappush, heappop, heapify
from bisect import bisect_left, bisect_right
"""
oracle = job["oracle"].replace("class Solution", "class ReferenceSolution", 1)
code = job["code"].replace("class Solution", "class GeneratedSolution", 1)
space = {"__name__": "__main__"}
exec(compile("\n".join((NAMES, oracle, "", code)), "both.py", "exec", dont_inherit=True), space)
exec("ref = ReferenceSolution()\ngen = GeneratedSolution()", space)
wrong = 0
for inputs in job["inputs"]:
    try:
        expected = eval(f"ref.{method}({inputs})", space)
        wrong += expected != eval(f"gen.{method}({inputs})", space)
    except Exception:
        wrong += 1
sys.exit(1 if wrong else 0)
