# The names that published problems take for granted.
from typing import *
from string import *
from re import *
from collections import *
from heapq import *
from bisect import *
from copy import *
from math import *
from itertools import *
from functools import *
from operator import *
from builtins import *
from random import choice, randint, randrange, shuffle, uniform
from datetime import timedelta
from statistics import mean, median
import bisect, collections, copy, datetime, functools, heapq, itertools, math, operator, random, re, statistics, string, sys, types, typing


class _Callable(types.ModuleType):
    # A module that is also called by its name, as its function of that name.
    def __call__(self, *args, **named):
        return vars(self)[self.__name__](*args, **named)


for _module in (bisect, copy, random):
    _module.__class__ = _Callable


class ListNode:
    def __init__(self, val=0, next=None):
        self.val = val
        self.next = next


class TreeNode:
    def __init__(self, val=0, left=None, right=None):
        self.val = val
        self.left = left
        self.right = right


class Node:
    def __init__(self, val=None, isLeaf=None, topLeft=None, topRight=None, bottomLeft=None, bottomRight=None, children=None):
        self.val = val
        if isLeaf is None:
            self.children = children
        else:
            self.isLeaf = isLeaf
            self.topLeft = topLeft
            self.topRight = topRight
            self.bottomLeft = bottomLeft
            self.bottomRight = bottomRight
