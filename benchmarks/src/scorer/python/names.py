# The names that published problems take for granted.
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, sys, typing
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
import datetime, statistics
from random import choice, randint, random as _random, randrange, shuffle, uniform
from collections import defaultdict, deque, Counter, OrderedDict
from datetime import timedelta
from math import pow as _pow
from statistics import mean, median
import random

random.seed()


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
