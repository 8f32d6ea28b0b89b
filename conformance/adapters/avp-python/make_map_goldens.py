"""Prints the goldens MAP1, MAP2, MAPOLD and MAPCODE of ../../../vectors/goldens.json: projection maps as the Python SDK
writes them, one as its first releases wrote them, and a file that is no map but code.

    python make_map_goldens.py

with avp 0.6.2 and torch 2.15.
"""

import io
import json
import pathlib
import pickle
import tempfile
import zipfile

import numpy
import torch
from avp.rosetta.calibrate import AVPMap
from avp.rosetta.registry import save_map

#: Fields that the first releases' files lack.
LATER = ("src_indices", "tgt_indices", "overlap_count", "overlap_ratio")

PAIR = {
    "source_model_id": "example/source",
    "source_hash": "1f0c4a7d9be2563801a4f7c2d95e6b3018c7d2f4a6b5e9030d1c8f7a2b4e6d50",
    "source_dim": 3,
    "target_model_id": "example/target",
    "target_hash": "e4d909c290d0fb1ca068ffaddf22cbd00b1f4f3a2c5d6e7f8091a2b3c4d5e6f7",
    "target_dim": 2,
    "bias": None,
    "target_norm": torch.tensor(1.5),
    "anchor_count": 0,
}


class Code:
    """Unpickled by somebody who runs what a file says, it ends their process."""

    def __reduce__(self):
        import os

        return os._exit, (3,)


def written(made):
    with tempfile.TemporaryDirectory() as folder:
        return save_map(made, pathlib.Path(folder)).read_bytes()


def main():
    rows = torch.tensor([[1.0, 0.5], [-2.0, 0.25], [0.0, 3.0], [1.5, -1.0]])
    mediated = AVPMap(**PAIR, w_map=rows, method="vocab_mediated", validation_score=1.0)
    overlap = AVPMap(
        **PAIR, w_map=rows[:3], method="vocab_overlap", validation_score=0.75, src_indices=numpy.array([5, 0, 2]),
        tgt_indices=numpy.array([1, 7, 3]), overlap_count=3, overlap_ratio=0.75,
    )
    whole = written(mediated)
    fields = torch.load(io.BytesIO(whole), weights_only=True)
    old = io.BytesIO()
    torch.save({name: value for name, value in fields.items() if name not in LATER}, old)
    code = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as before, zipfile.ZipFile(code, "w") as after:
        for entry in before.infolist():
            data = pickle.dumps(Code(), protocol=2) if entry.filename.endswith("/data.pkl") else before.read(entry)
            after.writestr(entry, data)
    made = {"MAP1": whole, "MAP2": written(overlap), "MAPOLD": old.getvalue(), "MAPCODE": code.getvalue()}
    print(json.dumps({name: data.hex() for name, data in made.items()}, indent=1))


if __name__ == "__main__":
    main()
