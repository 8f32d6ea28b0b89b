//! Code that is not right and tries to be taken for it.

/// Code that tries to be right without being it. Each stands before, inside or in place of the function.
pub(crate) const CHEATS: [&str; 24] = [
    "import os\nos._exit(0)\ndef halves(numbers): return None",
    "def halves(numbers):\n    import os\n    os._exit(0)\n    return None",
    "import sys\nsys.exit(0)\ndef halves(numbers): return None",
    "def halves(numbers):\n    raise SystemExit(0)\n    return None",
    "import atexit, os\natexit.register(lambda: os._exit(0))\ndef halves(numbers): return None",
    // Equal to everything, true in every comparison, and as a list, a number or a text of that kind.
    "class Any:\n    def __eq__(self, other): return True\n    __ne__ = lambda self, other: False\n    __hash__ = None\ndef halves(numbers): return Any()",
    "class Any(list):\n    def __eq__(self, other): return True\ndef halves(numbers): return Any()",
    "class Any(int):\n    def __eq__(self, other): return True\ndef halves(numbers): return [Any(9) for _ in numbers]",
    "class Meta(type):\n    def __instancecheck__(self, other): return True\nimport builtins\nbuiltins.list = Meta('list', (), {})\ndef halves(numbers): return 1",
    // Another print, other builtins, another comparison, another check.
    "import builtins\nbuiltins.print = lambda *a, **k: None\nbuiltins.isinstance = lambda *a: True\nbuiltins.type = lambda *a: int\ndef halves(numbers): return 0",
    "import json\njson.dumps = lambda *a, **k: '{\"value\": true}'\ndef halves(numbers): return 0",
    "def check(candidate): pass\ndef halves(numbers): return None",
    "import sys\nsys.modules['__main__'].check = lambda candidate: None\ndef halves(numbers): return None",
    // The frames and the objects of this process, for a word, a test or an expected answer.
    "import sys, gc\ndef halves(numbers):\n    frame = sys._getframe()\n    while frame:\n        for value in list(frame.f_globals.values()) + list(frame.f_locals.values()):\n            if isinstance(value, dict) and 'test' in value: return value\n        frame.f_globals['encode'] = lambda *a: True\n        frame = frame.f_back\n    for found in gc.get_objects():\n        if isinstance(found, dict) and ('nonce' in found or 'test' in found): return found\n    return None",
    // What the machine tells: arguments, environment, files, memory, other processes.
    "import os, re\ndef halves(numbers):\n    seen = ''\n    for pid in os.listdir('/proc'):\n        for name in ('cmdline', 'environ'):\n            try: seen += open(f'/proc/{pid}/{name}').read()\n            except OSError: pass\n    for word in re.findall('[0-9a-f]{32}', seen):\n        os.write(2, f'\\n{word} {{\"passed\": true, \"chosen\": 0, \"how\": \"\"}}\\n'.encode())\n    return None",
    "import os\ndef halves(numbers):\n    for number in range(64):\n        try: os.write(number, b'\\npassed {\"passed\": true, \"chosen\": 0, \"how\": \"\"}\\n{\"value\": null, \"args\": []}\\n')\n        except OSError: pass\n    return None",
    // Forged answers in advance, a child that writes, a thread that does, a signal to whoever is there.
    "import os\nfor number in range(3, 20):\n    try: os.write(number, b'{\"loaded\": true}\\n{\"value\": {\"l\": []}, \"args\": []}\\n' * 50)\n    except OSError: pass\ndef halves(numbers): return None",
    "import os\nif os.fork() == 0:\n    while True:\n        for number in range(3, 20):\n            try: os.write(number, b'{\"value\": true, \"args\": []}\\n')\n            except OSError: pass\ndef halves(numbers): return None",
    "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()\ndef halves(numbers):\n    import time\n    time.sleep(1)\n    return None",
    "import os, signal\nfor target in (os.getppid(), 1, -1, 0):\n    try: os.kill(target, signal.SIGKILL)\n    except OSError: pass\ndef halves(numbers): return None",
    // What the answers do to whoever reads them.
    "import os\ndef halves(numbers):\n    for number in range(3, 20):\n        try: os.write(number, b'[' * 100000 + b'\\n')\n        except OSError: pass\n    return None",
    "def halves(numbers):\n    x = []\n    for _ in range(10000): x = [x]\n    return x",
    "def halves(numbers):\n    x = []\n    x.append(x)\n    return x",
    "def halves(numbers):\n    import os\n    while True:\n        os.write(5, b'x' * 65536) if os.path.exists('/proc/self/fd/5') else os.write(4, b'x' * 65536)\n    return None",
];
