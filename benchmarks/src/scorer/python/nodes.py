# Binary trees, linked lists and other nodes as they are written in published problems: level by level, null for what is not there.
import collections as _collections, itertools as _itertools

_MOST = 100_000
# What gives its values one by one stands for a list of them, as on the site that the problems come from.
_LAZY = (type(_ for _ in ()), map, filter, zip, reversed, range, _collections.deque)


def tree_of(levels):
    if not levels or levels[0] is None:
        return None
    root = TreeNode(levels[0])
    queue, at = [root], 1
    for node in queue:
        for side in ("left", "right"):
            if at < len(levels):
                if levels[at] is not None:
                    child = TreeNode(levels[at])
                    setattr(node, side, child)
                    queue.append(child)
                at += 1
    return root


def list_of(values):
    head = None
    for value in reversed(values or []):
        head = ListNode(value, head)
    return head


def join(head, at):
    nodes = []
    while head is not None:
        nodes.append(head)
        head = head.next
    if at < len(nodes):
        nodes[-1].next = nodes[at]


def nary_of(levels):
    # [1, null, 3, 2, 4, null, 5, 6]: a null ends the children of one node.
    if not levels:
        return None
    root = Node(levels[0], children=[])
    queue, parent = [root], 0
    for value in levels[2:]:
        if value is None:
            parent += 1
        else:
            child = Node(value, children=[])
            queue[parent].children.append(child)
            queue.append(child)
    return root


def nodes(value, depth):
    if isinstance(value, _LAZY):
        return {"l": [encode(part, depth + 1) for part in _itertools.islice(value, _MOST)]}
    try:
        has = vars(value)
    except TypeError:
        return None
    if "isLeaf" in has:
        leaf = bool(value.isLeaf)
        sides = [] if leaf else [value.topLeft, value.topRight, value.bottomLeft, value.bottomRight]
        return {"quad": [bool(value.val) if leaf else None] + [encode(side, depth + 1) for side in sides]}
    if "left" in has and "right" in has:
        levels, queue = [], [value]
        for node in queue:
            levels.append(None if node is None else encode(node.val, depth + 1))
            if node is not None:
                queue += [node.left, node.right]
            if len(queue) > _MOST:
                return {"o": "a tree without an end"}
        while levels and levels[-1] is None:
            levels.pop()
        return {"tree": levels}
    if "next" in has:
        values = []
        while value is not None:
            values.append(encode(value.val, depth + 1))
            value = value.next
            if len(values) > _MOST:
                return {"o": "a list without an end"}
        return {"list": values}
    return None
