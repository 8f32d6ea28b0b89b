"""Small projection maps as the Python SDK saves them.

    PYTHONPATH=<unpacked avp 0.6.2> python make.py .          # through a vocabulary, through shared tokens
    PYTHONPATH=<unpacked avp 0.2.0> python make.py . learned  # a learned map, without the overlap fields
"""

import pathlib
import sys

import torch
from avp.rosetta.calibrate import AVPMap
from avp.rosetta.registry import save_map

out = pathlib.Path(sys.argv[1])
common = dict(source_model_id="org/source", source_hash="0123456789abcdef" * 4, source_dim=3,
              target_model_id="org/target", target_dim=2, anchor_count=0)


def save(name, **fields):
    save_map(AVPMap(**common, **fields), out).rename(out / name)


if sys.argv[2:] == ["learned"]:
    # As a solver leaves it: columns one after the other.
    learned = (torch.arange(6, dtype=torch.float32).reshape(2, 3) - 2).T
    save("learned.pt", target_hash="ab" * 32, w_map=learned, bias=torch.tensor([0.5, -0.5]),
         target_norm=torch.tensor(2.0), method="ridge", validation_score=0.25)
else:
    import numpy as np

    table = torch.arange(12, dtype=torch.float32).reshape(6, 2) / 8 - 0.5
    save("mediated.pt", target_hash="fedcba9876543210" * 4, w_map=table, bias=None,
         target_norm=torch.tensor(0.75), method="vocab_mediated", validation_score=1.0)
    save("overlap.pt", target_hash="0011223344556677" * 4, w_map=table[[5, 0, 3]], bias=None,
         target_norm=torch.tensor(1.25), method="vocab_overlap", validation_score=0.6,
         src_indices=np.array([4, 1, 2]), tgt_indices=np.array([5, 0, 3]), overlap_count=3, overlap_ratio=0.6)
