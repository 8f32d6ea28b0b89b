#!/usr/bin/env python3
"""Holds the pocket models beside transformers: the same token ids from the chat template, logits within 1e-3, the same greedy
text. Needs torch and transformers, and nothing from a hub.

    cargo build --release -p avp --features cli,model --bin avp --example logits
    python3 reference/models/check.py
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ["pocket-a", "pocket-b", "pocket-c"]
# f32 on both sides, from the same f16 weights: what is left is the order of summation.
TOLERANCE = 1e-3


def prompts(count):
    with open(ROOT / "datasets/relay/test.jsonl", encoding="utf-8") as lines:
        items = [json.loads(line) for line, _ in zip(lines, range(count))]
    for item in items:
        facts = " ".join(item["facts"])
        yield f"{facts} {item['question']}"
        yield f"{facts} Take a note."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=20, help="items of the bundled test split, two prompts each")
    parser.add_argument("--target", default=os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), help="cargo's target folder")
    parser.add_argument("--profile", default="release", help="release or debug")
    args = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, __version__
    except ImportError as error:
        sys.exit(f"check.py: {error}; try: pip install torch transformers")
    built = pathlib.Path(args.target) / args.profile
    texts = list(prompts(args.items))
    failed = False
    for name in MODELS:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder) / name
            subprocess.run([built / "avp", "models", "export", name, folder], check=True, stdout=subprocess.DEVNULL)
            ours = subprocess.run(
                [built / "examples/logits", name], input="\n".join(texts), check=True, capture_output=True, text=True
            )
            tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
            worst, ids, replies = 0.0, 0, 0
            for text, line in zip(texts, ours.stdout.splitlines(), strict=True):
                mine = json.loads(line)
                encoded = tokenizer.apply_chat_template(
                    [{"role": "user", "content": text}], add_generation_prompt=True, return_tensors="pt", return_dict=True
                )
                with torch.no_grad():
                    logits = model(**encoded).logits[0, -1]
                    reply = model.generate(**encoded, max_new_tokens=32, do_sample=False)
                new = reply[0, encoded["input_ids"].shape[1] :].tolist()
                worst = max(worst, (logits - torch.tensor(mine["logits"])).abs().max().item())
                ids += encoded["input_ids"][0].tolist() == mine["input_ids"]
                said = tokenizer.decode(new, skip_special_tokens=True).strip()
                replies += new == mine["reply_ids"] and said == mine["reply"]
            good = worst <= TOLERANCE and ids == replies == len(texts)
            failed |= not good
            print(
                f"{name}: transformers {__version__}, {len(texts)} prompts: {ids} the same ids, logits within {worst:.1e}, "
                f"{replies} the same replies: {'ok' if good else 'FAILED'}"
            )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
